"""A pseudonym key beside the former one: a secret, a value and grants of its own; nothing of the former's changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from infra.capture import capture
from tests.infra.conftest import Looked

NAMES = {"demo-pseudonym-key", "demo-pseudonym-key-2"}


def _named(looked: Any, kind: str) -> dict[str, Any]:
    return {resource["name"]: resource["inputs"] for resource in looked.of(kind) if "pseudonym-key" in resource["name"]}


def test_a_key_beside_the_former_one_has_all_of_its_own(dev: Looked, clone: Callable[[], Path]) -> None:
    root = clone()
    stack = yaml.safe_load((root / "Pulumi.dev.yaml").read_text())
    entry = stack["config"]["gondola:retailers"][0]
    entry |= {"absent_consent": "refused", "pseudonym_keys": [{"version": 1}, {"version": 2, "since": "2026-11-22"}]}
    (root / "Pulumi.dev.yaml").write_text(yaml.safe_dump(stack))
    graph = capture(root, "dev")
    rotated = Looked.__new__(Looked)
    rotated.graph = graph
    for kind in ("secret:Secret", "secretVersion:SecretVersion", "randomBytes:RandomBytes"):
        made, before = _named(rotated, kind), _named(dev, kind)
        assert set(made) == NAMES and made["demo-pseudonym-key"] == before["demo-pseudonym-key"]
    needing = {"ingest", "experiences", "consent-erasure", "claims"}
    grants = _named(rotated, "secretIamMember:SecretIamMember")
    assert set(grants) == {f"{service}-{name}" for service in needing for name in NAMES}
    assert grants["ingest-demo-pseudonym-key-2"]["secretId"] == "demo-pseudonym-key-2"
    for service in rotated.inputs("gcp:cloudrunv2/service:Service"):
        values = {
            env["name"]: env for env in service["template"]["containers"][0]["envs"] if "PSEUDONYM" in env["name"]
        }
        held = {name: env["valueSource"]["secretKeyRef"]["secret"] for name, env in values.items()}
        expected = {
            "GONDOLA_SECRET_PSEUDONYM_KEY_DEMO": "demo-pseudonym-key",
            "GONDOLA_SECRET_PSEUDONYM_KEY_DEMO_2": "demo-pseudonym-key-2",
        }
        assert held == (expected if service["name"] in needing else {})
