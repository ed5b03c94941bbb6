"""Campaigns: what is refused and with which words, whose law caps what, and which period a moment is in."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from layers.campaigns.__main__ import main, published
from layers.campaigns.law import CAPS, value_cap, volume_cap
from layers.campaigns.model import Budget, Campaign, HouseRules, Level, ProductKind, Thresholds, default_rules
from layers.campaigns.published import campaigns_of, publish_campaign, publish_rules, rules_of, running, withdraw
from layers.campaigns.reading import (
    InvalidCampaign,
    campaign_kept,
    kept,
    pointers_of,
    read_campaign,
    read_rules,
    rules_kept,
    version_of,
)
from layers.retailers import Retailer
from layers.stores.collections import CAMPAIGNS, HOUSE_RULES
from layers.stores.firestore.fake import FakeDocuments

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "layers" / "campaigns" / "examples"
RULES_TEXT = (EXAMPLES / "house_rules.yaml").read_text()
RULES = read_rules(RULES_TEXT)
COFFEE = (EXAMPLES / "coffee_promotion.yaml").read_text()
REFUSED = yaml.safe_load((ROOT / "tests" / "examples" / "campaigns" / "refused.yaml").read_text())
WITH_COFFEE = HouseRules(country="FR", categories={"COFFEE": ProductKind.FOOD, "SOAP": ProductKind.HOUSEHOLD})
SHOP = Retailer(id="demo", name="Demo", write_key="w" * 20, read_key="r" * 20, origins=())
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", ["coffee_promotion", "basket_tension", "advent_game"])
def test_the_examples_are_sound(name: str) -> None:
    campaign = read_campaign((EXAMPLES / f"{name}.yaml").read_text(), RULES)
    assert campaign_kept(kept(campaign)) == campaign
    assert main(["check", str(EXAMPLES / f"{name}.yaml"), "--rules", str(EXAMPLES / "house_rules.yaml")]) == 0


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["says"][:50])
def test_what_is_refused_says_why(case: dict[str, Any]) -> None:
    written = {**yaml.safe_load(COFFEE), **case["change"]}
    text = yaml.safe_dump({name: value for name, value in written.items() if value is not None})
    with pytest.raises(InvalidCampaign) as refused:
        read_campaign(text, WITH_COFFEE)
    assert case["says"] in str(refused.value)


@pytest.mark.parametrize(("text", "says"), [("country: fr\n", "country: "), ("country: FR\ncountry: DE\n", "twice")])
def test_house_rules_are_closed_too(text: str, says: str) -> None:
    with pytest.raises(InvalidCampaign, match=says):
        read_rules(text)


def test_house_rules_survive_being_kept() -> None:
    assert rules_kept(kept(RULES)) == RULES
    assert RULES.kind_of("CAT FOOD", "GROCERY") is ProductKind.PET_FOOD
    assert RULES.kind_of("COFFEE", "GROCERY") is ProductKind.FOOD
    assert RULES.kind_of("COFFEE", None) is None


def test_the_caps_of_france() -> None:
    """34 % for what is eaten, 40 % for the rest of daily use, 25 % of the volume; no other country is known."""
    assert value_cap("FR", ProductKind.FOOD) == value_cap("FR", ProductKind.PET_FOOD) == value_cap("FR", None) == 0.34
    assert value_cap("FR", ProductKind.HOUSEHOLD) == 0.40
    assert value_cap("FR", ProductKind.DURABLE) is None
    assert value_cap("DE", ProductKind.FOOD) is None
    assert volume_cap("FR", 1001) == 250
    assert volume_cap("FR", None) is None and volume_cap("DE", 1000) is None


@given(st.sampled_from(sorted(CAPS)), st.sampled_from([*ProductKind, None]))
def test_what_nobody_declared_is_capped_as_strictly_as_anything(country: str, kind: ProductKind | None) -> None:
    cap, unknown = value_cap(country, kind), value_cap(country, None)
    assert unknown is not None and (cap is None or unknown <= cap)


def test_a_retailer_without_house_rules_has_its_countrys_law() -> None:
    assert default_rules("fr-FR").country == "FR"
    assert default_rules("de-DE") == HouseRules(country="DE")


def campaign(**changes: Any) -> Campaign:
    fields: dict[str, Any] = {
        "campaign": "one",
        "kind": "tension",
        "generosity": (Level(money=2.0),),
        "budget": Budget(money=10.0),
        "threshold": Thresholds(10, 30),
        "starts": date(2026, 10, 20),
        "ends": date(2026, 11, 30),
        "timezone": "Europe/Paris",
    }
    return Campaign(**{**fields, **changes})


def test_it_runs_for_whole_local_days() -> None:
    """The clocks went back on 25 October 2026: midnight is two hours ahead of UTC before, one after."""
    one = campaign()
    assert one.begins() == datetime(2026, 10, 19, 22, tzinfo=UTC)
    assert one.is_over() == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert one.runs(one.begins()) and not one.runs(one.begins() - timedelta(seconds=1))
    assert one.runs(one.is_over() - timedelta(seconds=1)) and not one.runs(one.is_over())


@pytest.mark.parametrize(
    ("per", "at", "period"),
    [
        ("day", "2026-11-22T22:30:00+00:00", "2026-11-22"),
        ("day", "2026-11-22T23:30:00+00:00", "2026-11-23"),
        ("week", "2026-11-22T12:00:00+00:00", "2026-11-16"),
        ("month", "2026-10-31T23:30:00+00:00", "2026-11-01"),
        ("campaign", "2026-11-22T12:00:00+00:00", "2026-10-20"),
    ],
)
def test_a_period_is_named_by_its_first_local_day(per: Any, at: str, period: str) -> None:
    assert campaign(budget=Budget(money=1.0, per=per)).period(datetime.fromisoformat(at)) == period


@given(st.floats(1, 200), st.floats(0, 300), st.floats(0.5, 50))
def test_thresholds_stay_in_their_bounds(lowest: float, width: float, step: float) -> None:
    values = Thresholds(lowest, lowest + width, step).values()
    assert values[0] == round(lowest, 2) and all(lowest - 0.01 <= v <= lowest + width + 0.01 for v in values)
    assert len(values) == int(width / step + 1e-9) + 1


def test_a_version_is_of_the_meaning() -> None:
    one, same = (read_campaign(text, RULES) for text in (COFFEE, yaml.safe_dump(yaml.safe_load(COFFEE))))
    other = read_campaign(COFFEE.replace("money: 4000", "money: 4001"), RULES)
    assert version_of(one) == version_of(same) != version_of(other)


async def test_publishing_again_changes_nothing_and_withdrawing_ends_it() -> None:
    documents = FakeDocuments()
    one = read_campaign(COFFEE, RULES)
    assert await publish_campaign(documents, "demo", one, COFFEE)
    assert not await publish_campaign(documents, "demo", one, COFFEE)
    assert await running(documents, "demo", NOON) == (one,)
    assert await running(documents, "other", NOON) == ()
    assert await running(documents, "demo", one.is_over()) == ()
    assert await withdraw(documents, "demo", one.campaign) and await withdraw(documents, "demo", one.campaign)
    assert await running(documents, "demo", NOON) == ()
    assert await publish_campaign(documents, "demo", one, COFFEE)
    assert await running(documents, "demo", NOON) == (one,)
    assert not await withdraw(documents, "demo", "never_there")


async def test_a_campaign_that_cannot_be_read_costs_no_other() -> None:
    documents = FakeDocuments()
    one = read_campaign(COFFEE, RULES)
    await publish_campaign(documents, "demo", one, COFFEE)
    await documents.put(CAMPAIGNS, "demo:broken", {"retailer": "demo", "definition": "{}", "version": "1"})
    assert [found.campaign for found in await campaigns_of(documents, "demo")] == [one]


async def test_house_rules_that_cannot_be_read_are_not_passed_over() -> None:
    """Falling back to the defaults would offer what the real rules forbid."""
    documents = FakeDocuments()
    assert await rules_of(documents, SHOP) == HouseRules(country="FR")
    assert await publish_rules(documents, "demo", RULES, RULES_TEXT)
    assert not await publish_rules(documents, "demo", RULES, RULES_TEXT)
    assert await rules_of(documents, SHOP) == RULES
    await documents.put(HOUSE_RULES, "demo", {"definition": "{}"})
    with pytest.raises(ValueError, match="country"):
        await rules_of(documents, SHOP)


async def test_documents_hold_what_is_declared() -> None:
    documents = FakeDocuments()
    await publish_campaign(documents, "demo", read_campaign(COFFEE, RULES), COFFEE)
    await publish_rules(documents, "demo", RULES, RULES_TEXT)
    for collection in (CAMPAIGNS, HOUSE_RULES):
        [document] = await documents.find(collection)
        assert set(document.data) == set(collection.fields)


async def test_the_commands_say_what_they_did() -> None:
    documents = FakeDocuments()

    async def say(text: str = "", **given: str) -> str:
        return await published(argparse.Namespace(**given), documents, SHOP, text)

    assert "has no campaign" in await say(command="list")
    assert "law of FR" in await say(RULES_TEXT, command="rules")
    assert "already" in await say(RULES_TEXT, command="rules")
    assert "offers winter_coffee from the next scoring on" in await say(COFFEE, command="publish")
    assert "winter_coffee" in await say(command="list")
    assert "is withdrawn" in await say(command="withdraw", campaign="winter_coffee")
    assert "ended" in await say(command="list")
    with pytest.raises(InvalidCampaign, match="`list` names what"):
        await say(command="withdraw", campaign="none")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("country: FR\nshared: [{store: lille}]\n", "shared 1: neither `money` nor `count`"),
        ("country: FR\nshared: [{money: 1}, {money: 2}]\n", "shared 2: another is of the same brand, store and period"),
        ("country: FR\nshared: [{money: 1, per: campaign}]\n", "shared[0].per: Invalid enum value"),
        ("country: FR\nshopper_caps: [{count: 1}]\n", "shopper_caps: are of all campaigns"),
        ("country: FR\nshopper_caps: [{per: day}]\n", "shopper_caps 1: neither `money` nor `count`"),
    ],
)
def test_house_rules_that_limit_nothing_or_twice_are_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidCampaign) as refused:
        read_rules(text)
    assert says in str(refused.value)


def test_a_campaign_without_a_time_zone_has_the_retailers_from_then_on() -> None:
    text = COFFEE.replace("timezone: Europe/Paris\n", "")
    one = read_campaign(text, RULES, "America/Guadeloupe")
    assert one.timezone == "America/Guadeloupe" and campaign_kept(kept(one)) == one
    assert read_campaign(COFFEE, RULES, "America/Guadeloupe").timezone == "Europe/Paris"
    with pytest.raises(InvalidCampaign, match="timezone: '' is none"):
        read_campaign(text, RULES)


def test_what_is_wrong_with_an_audience_or_a_further_budget_has_its_place() -> None:
    assert pointers_of("audience.conditions 2: ...") == ["/audience/conditions/1"]
    assert pointers_of("within 1: ...") == ["/within/0"]
    assert pointers_of("audience.predicted[0].least: ...") == ["/audience/predicted/0/least"]


async def test_a_campaign_whose_budget_would_shrink_is_refused_by_the_command_line_too() -> None:
    documents = FakeDocuments()
    given = argparse.Namespace(command="publish")
    await published(given, documents, SHOP, COFFEE)
    with pytest.raises(InvalidCampaign, match=r"budget: .*cannot shrink"):
        await published(given, documents, SHOP, COFFEE.replace("money: 4000", "money: 3000"))
    assert [one.campaign.budget.money for one in await campaigns_of(documents, "demo")] == [4000]


def test_the_command_line_refuses_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(COFFEE.replace("percent: 30", "percent: 60"))
    assert main(["check", str(bad)]) == 1
    assert f"{bad}:6:1: generosity: 60 % is more than" in capsys.readouterr().err
    bad.write_text(COFFEE.replace("shopper.churn < 0.9", "shopper.chum < 0.9"))
    assert main(["check", str(bad)]) == 1
    line = 1 + bad.read_text().splitlines().index("    - shopper.chum < 0.9")
    assert f"{bad}:{line}:7: audience.conditions 1: `shopper.chum` is no variable" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "none.yaml")]) == 2
    assert main(["check", str(bad), "--rules", str(tmp_path / "none.yaml")]) == 2
    for name in ("GONDOLA_DATABASE_DEFAULT", "GONDOLA_RETAILER_DEMO"):
        monkeypatch.delenv(name, raising=False)
    assert main(["list", "--retailer", "demo"]) == 2
    assert "nothing was changed" in capsys.readouterr().err
