"""The retailers' buckets, in moto server: they are the retailers' own, so no resource of the graph makes them; they
stand in each retailer's registry entry, among the services' environment values.

Limit that shaped it: moto checks no identity, so the federation by which `feeds` reads in the cloud is not tried here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from layers.declarations.settings import RETAILER_PREFIX

CREDENTIALS = {"aws_access_key_id": "laptop", "aws_secret_access_key": "laptop"}  # moto takes any
_UNNAMED_REGION = "us-east-1"
"""S3's own oddity: this region must not be named when a bucket is made."""


def wanted(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Buckets and their regions, by name. Pure."""
    found: dict[str, str] = {}
    for values in environments:
        for name, value in values.items():
            feed = json.loads(value).get("feed") if name.startswith(RETAILER_PREFIX) else None
            if feed:
                found[feed["bucket"]] = feed.get("region") or _UNNAMED_REGION
    return dict(sorted(found.items()))


def apply(environments: Iterable[Mapping[str, str]], url: str) -> None:
    """Makes the buckets that are not there."""
    import boto3

    for bucket, region in wanted(environments).items():
        client = boto3.client("s3", endpoint_url=url, region_name=region, **CREDENTIALS)
        if bucket in {each["Name"] for each in client.list_buckets()["Buckets"]}:
            continue
        if region == _UNNAMED_REGION:
            client.create_bucket(Bucket=bucket)
        else:
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
