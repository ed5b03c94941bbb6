"""The retailer's bucket: what lies in it, and an object's lines. Reads only.

In production the identity is federated: Google signs a token for this function's service account, AWS exchanges it for
credentials of the role that the retailer trusts it with. No key exists that could leak. Blocking: use from a thread.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from layers.declarations.settings import Settings
from layers.retailers import Feed

STS_AUDIENCE = "sts.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Delivered:
    """`version` changes whenever the object's content does."""

    key: str
    version: str


class Unreadable(Exception):
    """The object or the bucket cannot be read. Says which, and what to do."""


class Deliveries(Protocol):
    def list(self, prefix: str) -> list[Delivered]:
        """Objects by key. Raises: Unreadable."""

    def lines(self, key: str) -> Iterator[bytes]:
        """Lines of a gzipped object. Raises: Unreadable, also half-way."""


class S3Deliveries:
    """Args:
    client: of boto3, for S3. bucket: its name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    @classmethod
    def of(cls, values: Settings, feed: Feed) -> S3Deliveries:
        import boto3
        from botocore.config import Config

        config = Config(retries={"max_attempts": 5, "mode": "standard"}, max_pool_connections=16)
        endpoint = values.emulator("s3")
        if endpoint is not None:
            local = {"aws_access_key_id": "laptop", "aws_secret_access_key": "laptop"}
            client = boto3.client("s3", endpoint_url=endpoint, region_name=feed.region, config=config, **local)
        else:
            client = federated_session(feed).create_client("s3", region_name=feed.region, config=config)
        return cls(client, feed.bucket)

    def list(self, prefix: str) -> list[Delivered]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            found = [Delivered(item["Key"], item["ETag"]) for page in pages for item in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise Unreadable(
                f"the bucket {self._bucket} cannot be listed ({type(error).__name__}), so nothing of it was taken; "
                "check the bucket's name, and that its role trusts this function's service account"
            ) from None
        # Consoles leave an empty object for a folder; it is no delivery.
        return sorted((item for item in found if not item.key.endswith("/")), key=lambda item: item.key)

    def lines(self, key: str) -> Iterator[bytes]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            with gzip.GzipFile(fileobj=body) as stream:
                yield from stream
        except (BotoCoreError, ClientError) as error:
            raise Unreadable(f"the object cannot be read ({type(error).__name__}); the next run tries again") from None
        except (OSError, EOFError, zlib.error):
            raise Unreadable("the object is no whole gzip file; deliver it again") from None


def federated_session(feed: Feed, token: Any = None) -> Any:
    """A botocore session with credentials of the feed's role, renewed by themselves.

    Args:
        token: gives a Google-signed identity token; by default asks the metadata server.
    """
    from botocore.credentials import (
        AssumeRoleWithWebIdentityCredentialFetcher,
        DeferredRefreshableCredentials,
    )
    from botocore.session import Session

    session = Session()
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        client_creator=session.create_client,
        web_identity_token_loader=token or _google_token,
        role_arn=feed.role_arn,
        extra_args={"RoleSessionName": "gondola-feeds"},
    )
    session._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role-with-web-identity")
    return session


def _google_token() -> str:
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    return str(fetch_id_token(Request(), STS_AUDIENCE))  # type: ignore[no-untyped-call]
