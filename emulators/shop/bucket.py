"""Puts the retailer's files into its bucket, as the retailer would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import boto3
from botocore.config import Config

from layers.declarations.settings import Settings
from layers.retailers import Feed

AT_A_TIME = 8


def upload(values: Settings, feed: Feed, files: Iterable[tuple[str, bytes]], progress: Callable[[int], None]) -> int:
    """Stores (key, content) of each; taken from `files` only as quickly as they are stored.

    Args:
        progress: told how many are stored.

    Returns:
        How many.
    """
    client = _client(values, feed)
    stored = 0
    pending: set[Future[Any]] = set()
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for key, content in files:
            pending.add(pool.submit(client.put_object, Bucket=feed.bucket, Key=key, Body=content))
            if len(pending) >= 2 * AT_A_TIME:
                stored, pending = _settle(pending, stored, progress)
        while pending:
            stored, pending = _settle(pending, stored, progress)
    return stored


def _settle(pending: set[Future[Any]], stored: int, progress: Callable[[int], None]) -> tuple[int, set[Future[Any]]]:
    done, left = wait(pending, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    progress(stored + len(done))
    return stored + len(done), left


def _client(values: Settings, feed: Feed) -> Any:
    """moto takes any credentials; the retailer's own tools would have the retailer's."""
    return boto3.client(
        "s3",
        endpoint_url=values.emulator("s3"),
        region_name=feed.region,
        aws_access_key_id="laptop",
        aws_secret_access_key="laptop",
        config=Config(max_pool_connections=AT_A_TIME, retries={"max_attempts": 5, "mode": "standard"}),
    )
