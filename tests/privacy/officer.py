"""The compliance officer: erases, asks until it is complete, and keeps whatever the door says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import httpx

from tests.privacy.cast import Cast, Shopper, now
from tests.privacy.form import Report
from tests.privacy.place import Place
from tests.privacy.search import Piece


class Officer:
    """Attributes:
    answers: what the door said, which is searched at the end as well.
    """

    def __init__(self, place: Place, cast: Cast, report: Report, say: Callable[[str], None]) -> None:
        self.place, self.cast, self.report, self.say = place, cast, report, say
        self.answers: list[Piece] = []

    def silence(self, shoppers: Iterable[Shopper]) -> None:
        with self.cast.lock:
            moment = now()
            for shopper in shoppers:
                shopper.silent = moment
        time.sleep(0.002)

    def erase(self, reference: str, shoppers: Sequence[Shopper], at: str = "") -> dict[str, Any]:
        """Asks until it is complete, sets since when they are erased, and gives the receipt."""
        customers = [shopper.customer for shopper in shoppers]
        answer = self.hear(self.place.erases(reference, customers, at))
        for _ in range(6):
            if answer.status_code == 202 and answer.json()["status"] == "complete":
                break
            self.say(f"the erasure answered {answer.status_code} {answer.text[:200]}; asked again")
            # As it is told, but for a minute of patience with a busy machine in all.
            time.sleep(min(float(answer.headers.get("retry-after", 0)), 10.0))
            answer = self.hear(self.place.erases(reference, customers))
        self.report.check(
            answer.status_code == 202 and answer.json()["status"] == "complete",
            f"an erasure did not complete: {answer.status_code} {answer.text[:300]}",
        )
        if answer.status_code != 202:
            return {}
        asked = answer.json()
        status = self.hear(self.place.asks("GET", asked["status_url"])).json()
        with self.cast.lock:
            for shopper in shoppers:
                shopper.erased = datetime.fromisoformat(status["requested"])
        receipt = self.hear(self.place.asks("GET", asked["receipt_url"]))
        self.report.check(receipt.status_code == 200, f"no receipt: {receipt.status_code} {receipt.text[:200]}")
        return dict(receipt.json()) if receipt.status_code == 200 else {}

    def hear(self, answer: httpx.Response) -> httpx.Response:
        self.answers.append(Piece("answers of consent_erasure", answer.content))
        return answer
