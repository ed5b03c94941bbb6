"""A compliance officer and a stranger, with the commands that they really have, against the stack as it runs."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulators.capture import ROOT
from emulators.shop.erasing import verified
from emulators.shop.stage import Stage
from emulators.stack import Stack
from emulators.tokens import handed_on_token
from tests.local.shop_visit import Shop

pytestmark = pytest.mark.stack


def officer(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "functions.consent_erasure", *arguments]
    return subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=180)


def test_what_the_officer_gets_a_stranger_verifies(stack: Stack, tmp_path: Path) -> None:
    shop = Shop(stack)
    url, token = stack.address("consent_erasure"), tmp_path / "token"
    token.write_text(handed_on_token(shop.retailer.compliance[0], url, datetime.now(UTC)))
    asking = ["--url", url, "--token-file", str(token)]
    receipts = [tmp_path / f"{number}.json" for number in range(2)]
    for number, receipt in enumerate(receipts):
        named = ["--retailer", "demo", "--reference", f"receipts-{number}", "--customers", "-", "--out", str(receipt)]
        done = officer("erase", *asking, *named, given=f"receipts-shopper-{number}\n")
        assert done.returncode == 0, done.stdout + done.stderr
    key = tmp_path / "key.pem"
    assert officer("key", *asking, "--out", str(key)).returncode == 0
    done = officer("verify", *map(str, receipts), "--key", str(key))
    assert done.returncode == 0, done.stdout + done.stderr
    assert officer("verify", *map(str, reversed(receipts)), "--key", str(key)).returncode == 1
    cold = [each for each in json.loads(receipts[0].read_bytes())["stores"] if each["store"].startswith("bigquery:")]
    # A table that no model has made yet is found to be none, which takes no statement.
    asked = [each for each in cold if "jobs" in each]
    assert len(asked) >= 10 and all(each["jobs"] and each["verified_by"] for each in asked)
    assert all(not each["found"] for each in cold if each not in asked)
    # As the demo shows it.
    stage = Stage(shop.retailer, shop.values, {}, lambda _job, _at: (0, {}), tmp_path / "logs", ROOT, {})
    assert any("Proven" in line for line in verified(stage, receipts[0].read_bytes(), key.read_bytes()))
