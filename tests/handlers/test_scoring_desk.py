"""The commands: a run asked for and followed, how far it came, what is known of one shopper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from google.api_core.exceptions import DeadlineExceeded

from functions.scoring.__main__ import main
from functions.scoring.desk import CannotAsk, Desk
from functions.scoring.recounting import MOST_PRODUCTS
from layers.campaigns.model import Budget
from layers.privacy.keyring import KeyRing
from layers.scoring_runs.ledger import Ledger, Run
from layers.stores.pubsub.port import Message
from layers.tree.parameters import PredictedProduct, ShopperParameters, encode_parameters
from tests.handlers.scoring_site import RUN, SHOP, Site, pseudonym, shopper
from tests.handlers.test_scoring_offers import agree, milk, night
from tests.handlers.test_scoring_offers import site as offers_site

KEYS = KeyRing({1: "c2VjcmV0" * 8, 2: "c2VjcmV1" * 8}, writes=2)
KEY, FORMER = KEYS.current, KEYS.others[0]


class Line:
    """A topic whose messages are worked on as soon as they are there; `stuck`: never."""

    def __init__(self, site: Site) -> None:
        self.site, self.stuck = site, False

    async def publish(self, messages: Sequence[Message]) -> None:
        self.site.queue += [("models-built", message) for message in messages]
        if not self.stuck:
            await self.site.settle()


def desk_of(site: Site, ledger: Ledger | None = None) -> tuple[Desk, list[str], Line]:
    said: list[str] = []
    line = Line(site)
    ledger = ledger or Ledger(site.documents, pause_s=0)
    desk = Desk(
        SHOP, ledger, line, site.rows, KEYS.every, said.append, site.documents, lambda: site.room, every_s=0.001
    )
    return desk, said, line


def site_of(count: int) -> Site:
    site = Site()
    site.warehouse.features["aa"] = lambda _: [shopper(number) for number in range(count)]
    return site


async def test_a_run_by_hand_is_followed_to_its_end_and_told_in_numbers() -> None:
    site = site_of(6)
    desk, said, _ = desk_of(site)
    told = await desk.run(RUN, 5)
    assert "done, 1 of 1 shards; 6 computed, 6 written, 0 unchanged, 0 removed, 0 refused" in told
    assert said[-1] == told == await desk.status(None) == await desk.status(RUN)
    assert await desk.run(RUN, 5) == told, "asked again it is the same run"


class Silent(Ledger):
    """Answers nothing twice, as a store under load."""

    left = 2

    async def run(self, retailer_id: str, run: datetime) -> Run | None:
        if self.left:
            self.left -= 1
            raise DeadlineExceeded("504")
        return await super().run(retailer_id, run)


async def test_who_follows_a_run_outlives_a_store_that_is_silent_for_a_moment() -> None:
    site = site_of(3)
    silent = Silent(site.documents, pause_s=0)
    desk, said, _ = desk_of(site, silent)
    assert "done, 1 of 1 shards" in await desk.run(RUN, 5)
    assert silent.left == 0 and said[0].startswith("Firestore did not answer")


async def test_what_can_not_be_followed_is_said() -> None:
    desk, _, line = desk_of(site_of(2))
    with pytest.raises(CannotAsk, match="ever planned"):
        await desk.status(None)
    await desk.run(RUN, 5)
    with pytest.raises(CannotAsk, match="newer"):
        await desk.run(RUN - timedelta(days=1), 5)
    with pytest.raises(CannotAsk, match="nothing is known"):
        await desk.status(RUN - timedelta(days=1))
    line.stuck = True
    with pytest.raises(TimeoutError, match="--at 2026-11-23T03:00:00Z"):
        await desk.run(RUN + timedelta(days=1), 0.05)


async def test_why_tells_the_figures_of_a_customer_or_a_pseudonym_and_names_nobody() -> None:
    site = site_of(0)
    desk, _, _ = desk_of(site)
    parameters = ShopperParameters(
        version="v1",
        computed_at=RUN,
        products=(PredictedProduct("p1", 0.41, 3.49, "SPREADS", why="bought on 4 of the last 5 trips"),),
        discoveries=(PredictedProduct("p9", 0.04),),
        categories={"SPREADS": 0.44},
        usual_basket=45.13,
        threshold=60,
        generosity=1,
        trips=12,
        churn=0.08,
        segment="loyal",
        why=("buys every 6 days",),
    )
    await site.rows.write_parameters("aa", [(KEY("9250001234567"), encode_parameters(parameters))], 1)
    lines = await desk.why("9250001234567", False)
    assert lines is not None
    text = "\n".join(lines)
    for figure in ("45.13 EUR", "60.00", "41.0%  p1  SPREADS; bought on 4 of", "p9", "8%", "loyal", "every 6 days"):
        assert figure in text
    assert await desk.why(KEY("9250001234567"), True) == lines
    assert "9250001234567" not in text and KEY("9250001234567") not in text
    await site.rows.write_parameters("aa", [(FORMER("9250001234568"), encode_parameters(parameters))], 1)
    assert await desk.why("9250001234568", False) == lines, "written before the key was rotated"
    assert await desk.why("nobody", False) is None
    assert await desk.why(pseudonym(1), True) is None
    for given in ("", "9250001234567"):
        with pytest.raises(CannotAsk) as error:
            await desk.why(given, True)
        assert "9250" not in str(error.value)


async def test_why_tells_of_every_campaign_what_became_of_it_and_of_products_what_moved_them() -> None:
    site = await agree(offers_site(), milk(), milk(campaign="dear", margin=0.2), milk(campaign="tea", products=("t",)))
    await night(site)
    desk, _, _ = desk_of(site)
    stored = site.stored()
    told = {who: "\n".join(await desk.why(who, True) or ()) for who in stored}
    for who, text in told.items():
        found = stored[who]
        assert who not in text and ("not in the control group" in text) is not found.control
        for offer in found.offers:
            assert offer.why in text and f"at a probability of {offer.propensity:.0%}" in text
        if any(offer.campaign == "milk" for offer in found.offers):
            assert "dear on p03: does not pay; bought on" in text and "tea: nothing of it is bought" in text
            assert "milk on p01: others are worth more" in text, "one of this campaign at a time"
        else:
            assert "offers: none" in text and "milk: not for this shopper; 1% of the value" in text
        assert text.count("odds times") == MOST_PRODUCTS, "but one feature moves nothing"
    assert any(found.control for found in stored.values()) and any(found.offers for found in stored.values())
    assert all("p39  MILK" in text and "differ" not in text for text in told.values())
    for statement, _ in site.warehouse.statements:
        assert not any(who in statement for who in stored), "a log of statements names nobody"


async def test_the_status_tells_what_budgets_are_expected_to_be_used_for() -> None:
    site = await agree(offers_site(), milk(), milk(campaign="tight", products=("p02",), budget=Budget(count=1)))
    await night(site)
    desk, _, _ = desk_of(site)
    first, title, *lines = (await desk.status(None)).splitlines()
    assert "4 offered" in first and f"{len(site.stored())} shoppers" in title
    assert len(lines) == 2 and "tight count: " in lines[0] and "a unit costs 0." in lines[0]
    assert "milk money: " in lines[1] and "a unit costs nothing; by all that are scored 1." in lines[1]


async def test_why_tells_what_is_stored_where_it_cannot_be_worked_out_again() -> None:
    site = await agree(offers_site(), milk())
    await night(site)
    desk, _, _ = desk_of(site)
    who = next(who for who, found in site.stored().items() if found.offers)
    for each in site.warehouse.statistics:
        each["as_of"] += timedelta(days=1)
    text = "\n".join(await desk.why(who, True) or ())
    assert "no more can be told: shopper_statistics is not of 2026-11-22" in text and "milk on p" in text
    site.warehouse.statistics.clear()
    assert "no claim to parameters any more" in "\n".join(await desk.why(who, True) or ())


def test_a_command_without_its_stores_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("9250001234567\n"))
    for name in ("GONDOLA_RETAILER_DEMO", "GONDOLA_DATABASE_DEFAULT"):
        monkeypatch.delenv(name, raising=False)
    for arguments in (["status"], ["run"], ["run", "--at", "noon"], ["why"]):
        assert main([*arguments, "--retailer", "demo"]) == 2
    said = capsys.readouterr().err
    assert said.count("GONDOLA_RETAILER_") == 4 and "9250001234567" not in said


@pytest.mark.parametrize("at", ["noon", "2026-11-22T03:00:00"])
def test_a_moment_without_an_offset_is_no_moment(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONDOLA_RETAILER_DEMO", SHOP.to_json())
    assert main(["run", "--retailer", "aa", "--at", at]) == 2
