"""The build of an image, against an API of our own that answers as Google's does."""

from __future__ import annotations

from typing import Any

import pytest

from infra.image_build import BuildFailed, Order, build

ORDER = Order(
    project="p-test",
    region="europe-west1",
    bucket="p-test-archives",
    object="greet/0a.zip",
    image="europe-west1-docker.pkg.dev/p-test/functions/greet:0a",
    target="greet",
    base_image="base",
    builder="projects/p-test/serviceAccounts/builds@p-test.iam.gserviceaccount.com",
)
DONE = {
    "name": "operations/build/p-test/1",
    "done": True,
    "response": {"results": {"images": [{"name": "greet", "digest": "sha256:aa"}]}},
}


class Google:
    """Ends a build after some questions, in the way it is told."""

    def __init__(self, questions: int, end: dict[str, Any]) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []
        self._questions, self._end = questions, end

    def post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted.append((url, body))
        return {"buildOperation": {"name": "operations/build/p-test/1"}, "baseImageUri": "base"}

    def get(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        return self._end if len(self.asked) >= self._questions else {"name": "operations/build/p-test/1"}


def test_a_build_is_ordered_once_and_waited_for() -> None:
    google, waited = Google(3, DONE), list[float]()
    assert build(google, ORDER, waited.append) == "sha256:aa"
    ((url, body),) = google.posted
    assert url == "https://run.googleapis.com/v2/projects/p-test/locations/europe-west1/builds:submit"
    assert body["storageSource"] == {"bucket": "p-test-archives", "object": "greet/0a.zip"}
    assert body["imageUri"] == ORDER.image
    assert body["serviceAccount"] == ORDER.builder
    assert body["buildpackBuild"] == {"functionTarget": "greet", "baseImage": "base", "enableAutomaticUpdates": True}
    assert google.asked == ["https://cloudbuild.googleapis.com/v1/operations/build/p-test/1"] * 3
    assert len(waited) == 3


def test_a_failed_build_is_said_with_its_log() -> None:
    failed = {
        "done": True,
        "error": {"message": "no main.py"},
        "metadata": {"build": {"logUrl": "https://log.example"}},
    }
    with pytest.raises(BuildFailed, match=r"greet: the build failed \(no main\.py\).*https://log\.example"):
        build(Google(1, failed), ORDER, lambda _: None)


def test_a_build_without_an_image_is_a_failure() -> None:
    with pytest.raises(BuildFailed, match="without an image"):
        build(Google(1, {"done": True, "response": {"results": {}}}), ORDER, lambda _: None)


def test_a_build_that_never_ends_is_given_up() -> None:
    waited = list[float]()
    with pytest.raises(BuildFailed, match="no image after 1200 s"):
        build(Google(10_000, DONE), ORDER, waited.append)
    assert sum(waited) == 1200
