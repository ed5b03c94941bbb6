"""`python -m infra.image_build`: asks Cloud Run to build one function's image, and waits for it.

Exists because Pulumi's service resource carries a build's settings but starts no build (decision 0001). Run by the
program itself, once for each archive. The image's tag is the archive's digest, so a build that was killed is simply
asked for again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

_RUN, _BUILDS = "https://run.googleapis.com/v2", "https://cloudbuild.googleapis.com/v1"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_POLL_S, _LONGEST_S = 5, 1200


class BuildFailed(RuntimeError):
    """No image was made. The message holds Google's words and where the log lies."""


class Api(Protocol):
    """Google's HTTP API, as far as a build needs it."""

    def post(self, url: str, body: dict[str, Any]) -> dict[str, Any]: ...

    def get(self, url: str) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Order:
    """What to build: the archive `bucket`/`object`, into `image`, as the account `builder`."""

    project: str
    region: str
    bucket: str
    object: str
    image: str
    target: str
    base_image: str
    builder: str

    def body(self) -> dict[str, Any]:
        """As Cloud Run's `builds:submit` takes it."""
        return {
            "storageSource": {"bucket": self.bucket, "object": self.object},
            "imageUri": self.image,
            "serviceAccount": self.builder,
            "buildpackBuild": {
                "functionTarget": self.target,
                "baseImage": self.base_image,
                # Built without its base, which Cloud Run adds and keeps up to date.
                "enableAutomaticUpdates": True,
            },
        }


def build(api: Api, order: Order, wait: Callable[[float], None]) -> str:
    """Builds, and returns the image's digest.

    Args:
        wait: called with seconds between two questions.

    Raises:
        BuildFailed: Google refused the order, the build failed, or took longer than 20 minutes.
    """
    asked = api.post(f"{_RUN}/projects/{order.project}/locations/{order.region}/builds:submit", order.body())
    operation = asked.get("buildOperation", {})
    for _ in range(_LONGEST_S // _POLL_S):
        if operation.get("done"):
            return _digest(operation, order)
        wait(_POLL_S)
        operation = api.get(f"{_BUILDS}/{operation['name']}")
    raise BuildFailed(f"{order.target}: no image after {_LONGEST_S} s; deploy again, or read Cloud Build's log.")


def _digest(operation: dict[str, Any], order: Order) -> str:
    log = operation.get("metadata", {}).get("build", {}).get("logUrl", "in Cloud Build")
    if "error" in operation:
        raise BuildFailed(
            f"{order.target}: the build failed ({operation['error'].get('message', 'no reason given')}), "
            f"so the running version stays; its log: {log}"
        )
    made = operation.get("response", {}).get("results", {}).get("images", [])
    if not made:
        raise BuildFailed(f"{order.target}: the build ended without an image; its log: {log}")
    return str(made[0]["digest"])


class _Google:
    """The API with the credentials of whoever deploys."""

    def __init__(self) -> None:
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        credentials, _ = google.auth.default(scopes=[_SCOPE])
        self._session: Any = AuthorizedSession(credentials)

    def post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._answer(self._session.post(url, json=body, timeout=60))

    def get(self, url: str) -> dict[str, Any]:
        return self._answer(self._session.get(url, timeout=60))

    @staticmethod
    def _answer(response: Any) -> dict[str, Any]:
        if response.status_code >= 400:
            raise BuildFailed(f"{response.request.method} {response.url}: {response.status_code} {response.text[:500]}")
        return dict(response.json())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.image_build", description=__doc__)
    for name in Order.__slots__:
        parser.add_argument(f"--{name.replace('_', '-')}", required=True)
    order = Order(**vars(parser.parse_args(arguments)))
    try:
        print(build(_Google(), order, time.sleep))
    except BuildFailed as error:
        print(f"image_build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
