"""A campaign from its publication to the parameters, and from there to what a shopper is shown, promised and logged."""

from __future__ import annotations

import asyncio
import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from functions.decisioning import handler as decisioning
from functions.decisioning.room import Room as DecidingRoom
from functions.scoring import planning
from functions.scoring.agreed import OFFERLESS
from functions.scoring.function import FUNCTION
from functions.scoring.predicting import TABLES
from layers.campaigns.known import KnownCampaigns
from layers.campaigns.model import Budget, Campaign, HouseRules, Level, Thresholds
from layers.campaigns.opening import open_budgets
from layers.campaigns.published import State, become, publish_campaign, publish_rules
from layers.campaigns.terms import Audience
from layers.experiments.assignment import in_control
from layers.facts import TRAINED_MODELS
from layers.learning import PRODUCTS
from layers.ledger.books import Books
from layers.ledger.healing import balance
from layers.ledger.ledger import Ledger as Money
from layers.ledger.ledger import Wish
from layers.offers.written import read_setting, read_uses
from layers.promises.keeping import read_promises
from layers.retailers import Retailer
from layers.scoring_runs import settings
from layers.scoring_runs.ledger import Ledger, Run
from layers.stores.collections import HOUSE_RULES, SCORING_SETTINGS
from layers.tree.live import publish
from layers.tree.parameters import MAX_PRODUCTS, ShopperParameters
from layers.tree.reading import read_yaml
from layers.tree.treatment import read_logged
from tests.handlers.asking import ask
from tests.handlers.scoring_site import NOW, RUN, SHOP, Site, pseudonym
from tests.handlers.test_scoring_learned import MANY, models, statistics
from tests.handlers.test_scoring_learned import site as learned_site
from tests.handlers.visiting import DEMO, Stores, pushed, seen

PROMOTED = ("p01", "p02", "p03")
"""Wanted, and not among the likeliest."""
RULES = HouseRules(country="DE", control=0.3)
MILK = {"category": "MILK", "product_weeks": 900, "products": 20, "sxx": 8.0, "sxy": -26.0, "syy": 190.0}


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SHOPPERS_A_SHARD", 4)


def milk(**changes: Any) -> Campaign:
    fields: dict[str, Any] = {
        "campaign": "milk",
        "kind": "promotion",
        "products": PROMOTED,
        "generosity": (Level(percent=10.0), Level(percent=20.0)),
        "margin": 0.9,
        "budget": Budget(money=1000.0, per="week"),
        "starts": date(2026, 11, 1),
        "ends": date(2026, 12, 31),
        "timezone": "Europe/Paris",
    }
    return Campaign(**{**fields, **changes})


STEP = milk(
    campaign="step", kind="tension", products=(), generosity=(Level(money=1.0),), margin=None,
    threshold=Thresholds(10, 200, 5), exploration=0.0,
)  # fmt: skip
WHEEL = milk(
    campaign="wheel", kind="game", products=(), generosity=(Level(prize=10.0, chance=0.02),), margin=None,
    threshold=Thresholds(10, 200, 5), exploration=0.0,
)  # fmt: skip


def site(many: int = MANY) -> Site:
    """By trained models; every second shopper buys without discounts."""
    made = learned_site(many)
    made.warehouse.there |= {"price_responses"}
    made.warehouse.prices = dict.fromkeys(PROMOTED, 2.5)
    made.warehouse.responses = [MILK]
    made.warehouse.statistics = [statistics(n, discount_share=0.25 if n % 2 else 0.01) for n in range(many)]
    return made


async def agree(made: Site, *campaigns: Campaign, rules: HouseRules = RULES, retailer: Retailer = SHOP) -> Site:
    await publish_rules(made.documents, retailer.id, rules, "")
    for campaign in campaigns:
        await publish_campaign(made.documents, retailer.id, campaign, "", NOW)
        await open_budgets(made.documents, retailer, campaign, RUN)
    return made


async def night(made: Site, run: datetime = RUN, retailer: Retailer = SHOP) -> Run:
    """With tables of the day, as modelling makes them first."""
    for rows in (made.warehouse.statistics, *made.tables.rows.values()):
        for each in rows:
            each["as_of"] = run.date()
    made.build(run, retailer)
    await made.settle()
    found = await Ledger(made.documents).run(retailer.id, run)
    assert found is not None
    return found


def held(made: Site, *, of: str = "milk") -> dict[str, ShopperParameters]:
    return {who: p for who, p in made.stored().items() if any(offer.campaign == of for offer in p.offers)}


async def test_a_campaign_is_offered_to_its_audience_alone_and_where_it_holds() -> None:
    """The budgets' prices are found on the audience, too."""

    def some_often() -> Site:
        made = site()
        made.warehouse.statistics = [statistics(n, discount_share=0.25, trips=12 + 8 * (n % 2)) for n in range(MANY)]
        return made

    everybody = await agree(some_often(), milk())
    await night(everybody)
    often = Audience(conditions=("shopper.trips >= 15",))
    made = await agree(some_often(), milk(audience=often, stores=("lille",)))
    await night(made)
    assert len(held(everybody)) > len(held(made)) > 0
    assert held(made).keys() == {who for who, found in held(everybody).items() if found.trips >= 15}
    assert {offer.stores for p in held(made).values() for offer in p.offers if offer.drawn} <= {("lille",)}
    nobody = await agree(some_often(), milk(audience=Audience(conditions=("shopper.trips > 100000",))))
    await night(nobody)
    assert not held(nobody) and nobody.stored().keys() == made.stored().keys()


async def test_a_campaign_reaches_those_it_suits_with_a_group_and_propensities() -> None:
    made = await agree(site(), milk(), STEP, WHEEL)
    run = await night(made)
    stored = made.stored()
    for number in range(MANY):
        found = stored[pseudonym(number)]
        offered = {offer.campaign for offer in found.offers}
        assert offered == ({"milk", "step"} if number % 2 else {"wheel"})
        assert found.control is in_control("aa", pseudonym(number), 0.3)
        assert found.group_propensity == (0.3 if found.control else 0.7)
        for campaign in offered:
            alternatives = [offer for offer in found.offers if offer.campaign == campaign]
            assert sum(offer.drawn for offer in alternatives) <= 1
            assert sum(offer.propensity for offer in alternatives) <= 1 + 1e-9
        assert all(offer.product in PROMOTED for offer in found.offers if offer.campaign == "milk")
        assert not {p.id for p in found.products} & {"p01", "p02", "p03"} and len(found.products) == MAX_PRODUCTS
    assert run.counts.control == sum(found.control for found in stored.values()) > 0
    drawn_for = [p for p in stored.values() if not p.control and any(o.drawn for o in p.offers)]
    assert run.counts.offered == len(drawn_for) > 0


async def test_who_is_scored_by_how_often_they_buy_is_offered_as_well() -> None:
    made = site()
    made.warehouse.there = set()
    made.warehouse.prices = {"p1": 1.0}
    await agree(made, milk(products=("p1",), generosity=(Level(money=0.2),)), STEP)
    run = await night(made)
    assert run.counts.learned == 0
    stored = made.stored()
    assert all({offer.campaign for offer in found.offers} <= {"milk"} for found in stored.values()), (
        "three orders are too few to ask for a basket total"
    )
    # At the pooled elasticity a plain discount does not pay.
    assert not any(found.offers for found in stored.values())
    made.warehouse.there = {"price_responses"}
    made.warehouse.responses = [{**MILK, "category": "SPREADS"}]
    made.warehouse.features["aa"] = lambda _: [
        {**each, "products": '[{"id": "p1", "probability": 0.3, "category": "SPREADS", "department": "GROCERY"}]'}
        for each in learned_site().warehouse.features["aa"](RUN)
    ]
    await night(made, RUN + timedelta(days=1))
    assert set(held(made)) == set(stored)


@pytest.mark.parametrize("state", [State.PAUSED, State.ENDED])
async def test_a_campaign_that_was_stopped_leaves_the_parameters(state: State) -> None:
    made = await agree(site(), milk())
    await night(made)
    assert held(made)
    await become(made.documents, "aa", "milk", state, NOW)
    await night(made, RUN + timedelta(days=1))
    assert not held(made)


async def test_a_night_that_no_decision_could_tell_from_the_last_writes_nothing() -> None:
    """Every probability moves a little, as it does each night; then one shopper's by much."""
    made = await agree(site(), milk())
    first = await night(made)
    before = made.stored()
    for each in made.tables.rows[PRODUCTS.table]:
        each[PRODUCTS.names[0]] += 0.02
    second = await night(made, RUN + timedelta(hours=1))
    assert (first.counts.written, second.counts.written, second.counts.unchanged) == (MANY, 0, MANY)
    assert made.stored() == before and second.plan.version != first.plan.version
    for each in made.tables.rows[PRODUCTS.table]:
        if each["shopper"] == pseudonym(1):
            each[PRODUCTS.names[0]] /= 4
    third = await night(made, RUN + timedelta(hours=2))
    assert (third.counts.written, third.counts.unchanged) == (1, MANY - 1)
    assert {who for who, found in made.stored().items() if found.version == third.plan.version} == {pseudonym(1)}


async def test_a_campaign_that_is_over_or_to_come_is_not_offered() -> None:
    over, later = milk(ends=date(2026, 11, 21)), milk(campaign="later", starts=date(2026, 11, 23))
    made = await agree(site(), over, later)
    await night(made)
    assert not any(found.offers for found in made.stored().values())
    await night(made, RUN + timedelta(days=1))
    assert held(made, of="later") and not held(made)


async def test_what_is_published_while_a_run_is_on_is_offered_by_the_next() -> None:
    """All shards of a run decide by the same campaigns; else who is offered what would hang on who was quicker."""
    made = await agree(site(), milk())
    made.build()
    await made.deliver(*made.queue.pop(0))
    await agree(made, STEP)
    await become(made.documents, "aa", "milk", State.PAUSED, NOW)
    await made.settle()
    assert held(made) and not held(made, of="step")


async def test_a_budget_that_binds_reaches_only_as_many_as_it_pays_for() -> None:
    wide = await agree(site(20), milk())
    tight = await agree(site(20), milk(budget=Budget(money=0.1, per="week")))
    everybody = await night(wide)
    few = await night(tight)
    assert 0 < len(held(tight)) < len(held(wide))
    assert everybody.plan.version != few.plan.version, "another setting is another version"
    text = await settings.read(tight.documents, "aa", RUN, few.plan.setting)
    assert text is not None
    sample, uses = read_uses(text)
    [money] = [use for use in uses if use.budget == "money"]
    print(uses)
    assert sample == 20 and money.expected <= money.limit and money.price > 0
    assert read_setting(text).budget_prices.money == {"milk": money.price}
    # The sample was everybody: what all shards added up is what was expected, and the control group costs nothing.
    assert few.counts.promised == {"milk": pytest.approx(money.expected, rel=0.02)}
    assert sum(found.control for found in held(tight).values()) > 0
    assert everybody.counts.promised["milk"] > few.counts.promised["milk"]
    assert money.of == "milk"


async def test_what_is_spent_or_promised_already_is_not_offered_again() -> None:
    made = await agree(site(), milk(budget=Budget(money=10.0, per="week")))
    books = Books(made.documents)
    await Money(books, lambda: NOW).reserve(
        "aa", "k" * 32, [Wish("milk.week.2026-11-16.cents", 1000)], NOW + timedelta(hours=1)
    )
    await night(made)
    assert not held(made)


async def test_without_house_rules_that_can_be_read_nothing_is_offered_and_everybody_scored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = await agree(site(), milk())
    document = await made.documents.get(HOUSE_RULES, "aa")
    assert document is not None
    await made.documents.put(HOUSE_RULES, "aa", {**document.data, "definition": '{"country": "DE", "newer": 1}'})
    await night(made)
    stored = made.stored()
    assert len(stored) == MANY and not any(found.offers for found in stored.values())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if line["message"] == OFFERLESS]
    assert "house rules cannot be read" in line["reason"] and line["severity"] == "ERROR"
    assert any(measure.message == OFFERLESS for measure in FUNCTION.measures)


async def test_the_law_of_the_country_stands_above_a_campaign() -> None:
    """As if it was published before the rules were."""
    made = await agree(site(), milk(generosity=(Level(percent=30.0), Level(percent=38.0))))
    await night(made)
    assert {o.offer for p in held(made).values() for o in p.offers} == {"percent_30", "percent_38"}
    await agree(made, rules=HouseRules(country="FR", control=0.3))
    await night(made, RUN + timedelta(days=1))
    assert {o.offer for p in held(made).values() for o in p.offers} == {"percent_30"}


def test_a_run_that_is_killed_ends_as_if_it_had_not_been() -> None:
    async def run(kill_at: int) -> tuple[dict[str, ShopperParameters], int]:
        made = await agree(site(3), milk(), STEP, WHEEL)
        made.kill_at, made.after = kill_at, bool(kill_at % 2)
        await night(made)
        return made.stored(), made.calls

    expected, calls = asyncio.run(run(-1))
    assert any(found.offers for found in expected.values())
    for at in range(1, calls + 1, 3):
        assert asyncio.run(run(at))[0] == expected, f"killed at call {at}"


async def test_a_large_setting_is_kept_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PART", 100)
    made = await agree(site(), milk())
    run = await night(made)
    assert held(made)
    parts = await made.documents.find(SCORING_SETTINGS, retailer="aa")
    assert len(parts) > 3 and not any(pseudonym(n) in repr(parts) for n in range(MANY))
    await made.documents.delete(SCORING_SETTINGS, parts[-1].id)
    assert await settings.read(made.documents, "aa", RUN, run.plan.setting) is None


OFFERS = """
tree: offers
languages: [en]
default:
  slot: main
  text: {en: Fresh this week}
root:
  id: arrival
  about: nothing in the basket yet
  show:
    - {kind: recommendation, slot: main, products: recommended, limit: 3, text: {en: Yours}}
  children:
    - id: offered
      about: something is in the basket, and a campaign promotes something
      when: basket.lines > 0 && offer.product != ""
      leave: basket.lines == 0
      show:
        - kind: promotion
          slot: main
          product: offer.product
          generosity: offer.generosity
          threshold: offer.threshold
          text: {en: "{generosity} off"}
        - kind: tension
          slot: basket
          threshold: reward.threshold
          text: {en: "{missing} to go"}
    - id: playing
      about: a campaign offers a game
      when: basket.lines > 0 && play.prize > 0.0
      leave: basket.lines == 0
      show:
        - {kind: game, slot: main, name: wheel, prize: play.prize, text: {en: "Play for {prize}"}}
"""


async def test_from_the_campaign_to_the_page_the_promise_and_the_log() -> None:
    """Scoring writes the rows that decisioning reads, and one Firestore holds what both agreed on."""
    made = site(40)
    made.retailers = (DEMO,)
    made.warehouse.features = {"demo": made.warehouse.features["aa"]}
    await made.shelf.put(DEMO.dataset, models())
    assert {TRAINED_MODELS.stored_as, *TABLES} <= made.warehouse.there
    await agree(made, milk(exploration=0.5), STEP, WHEEL, retailer=DEMO)
    await night(made, retailer=DEMO)
    stored = made.stored(DEMO)

    stores = Stores()
    stores.rows, stores.documents = made.rows, made.documents
    await publish(made.documents, "demo", read_yaml(OFFERS), OFFERS)
    deciding = DecidingRoom(
        stores.registry, stores.hot, stores.rows, stores.documents,
        type(stores.trees)(stores.documents, lambda: 0.0), stores.topic, stores.suppressions,
        KnownCampaigns(stores.documents, lambda: 0.0),
    )  # fmt: skip
    visits = [seen("AddedToBasket", 1, shopper=who, product="usual0", quantity=1, price=4.0) for who in stored]
    await stores.store(*visits)
    later = visits[0].event.at + timedelta(minutes=1)
    assert (await decisioning.answer(ask("POST", "/", pushed(*visits)), deciding, later)).status_code == 204

    counted = dict.fromkeys(("control", "promised", "game", "nothing"), 0)
    reserved = 0
    for decision in stores.published():
        found = stored[decision.shopper]
        shown = {one["kind"]: one for one in json.loads(decision.shown)}
        drawn = {offer.campaign: offer for offer in found.offers if offer.drawn}
        _, promises = await read_promises(made.documents, "demo", decision.shopper)
        assert decision.control is found.control and decision.parameters_version == found.version
        logged = read_logged(decision.offers)
        assert {(o.campaign, o.offer, o.propensity, o.drawn) for o in logged} == {
            (o.campaign, o.offer, o.propensity, o.drawn) for o in found.offers
        }, "a visit's first decision logs all that could have been"
        if found.control:
            assert not {"promotion", "tension", "game"} & set(shown) and promises is None
            counted["control"] += 1
        elif "milk" in drawn:
            promotion = shown["promotion"]
            assert (promotion["product"], promotion["generosity"]) == (drawn["milk"].product, drawn["milk"].generosity)
            assert decision.propensity == pytest.approx(0.7 * drawn["milk"].propensity)
            assert promises is not None
            by_campaign = {one.campaign: one for one in promises.promises}
            assert set(by_campaign) == {"milk", "step"} & set(drawn)
            reserved += by_campaign["milk"].cents
            counted["promised"] += 1
        else:
            assert ("game" in shown) is ("wheel" in drawn) and promises is None
            counted["game" if "wheel" in drawn else "nothing"] += 1
    assert min(counted.values()) > 0 and sum(counted.values()) == 40
    budget = await Books(made.documents).budget("demo", "milk.week.2026-11-16.cents")
    assert budget is not None
    assert (await balance(Books(made.documents), budget.value)).held == reserved > 0
