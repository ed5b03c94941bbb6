"""The commands: a run asked for and followed, how far it came, what is known of one shopper."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from functions.scoring.__main__ import main
from functions.scoring.desk import CannotAsk, Desk
from layers.privacy.keyring import KeyRing
from layers.scoring_runs.ledger import Ledger
from layers.stores.pubsub.port import Message
from layers.tree.parameters import PredictedProduct, ShopperParameters, encode_parameters
from tests.handlers.scoring_site import RUN, SHOP, Site, pseudonym, shopper

KEYS = KeyRing({1: "c2VjcmV0" * 8, 2: "c2VjcmV1" * 8}, writes=2)
KEY, FORMER = KEYS.current, KEYS.others[0]


class Line:
    """A topic whose messages are worked on as soon as they are there; `stuck`: never."""

    def __init__(self, site: Site) -> None:
        self.site, self.stuck = site, False

    async def publish(self, messages: list[Message]) -> None:
        self.site.queue += [("models-built", message) for message in messages]
        if not self.stuck:
            await self.site.settle()


def desk_of(site: Site) -> tuple[Desk, list[str], Line]:
    said: list[str] = []
    line = Line(site)
    ledger = Ledger(site.documents, pause_s=0)
    return Desk(SHOP, ledger, line, site.rows, KEYS.every, said.append, every_s=0.001), said, line  # type: ignore[arg-type]


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
