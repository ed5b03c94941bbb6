"""The example tree, told as stories: every node is reached, every kind is shown, every reason can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from layers.tree.decision import experience_json
from layers.tree.journey import Standing, advance, page_now
from layers.tree.wording import Wording
from tests.rules.journeys import PARAMETERS, record
from tests.rules.test_journey import TREE

STORIES = yaml.safe_load((Path(__file__).parents[1] / "examples" / "tree" / "stories.yaml").read_text())


def standing(story: dict[str, Any]) -> Standing:
    changes = story.get("parameters", {})
    parameters = None if changes is None else msgspec.structs.replace(PARAMETERS, **changes)
    return Standing(TREE, parameters, granted_by_default=True)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story["story"])
def test_a_story(story: dict[str, Any]) -> None:
    told = [dict(event) for event in story["events"]]
    expected = [(event.pop("node"), event.pop("shows")) for event in told]
    for event in told:
        if "product" in event:
            event["quantity"] = 1
    records = [record(event.pop("type"), minutes, **event) for minutes, event in enumerate(told)]
    state, decisions = advance(None, records, standing(story))
    seen = [(d.node_after, [shown["kind"] for shown in json.loads(d.shown)]) for d in decisions]
    assert seen == expected
    for decision in decisions:
        for reason in json.loads(decision.reason):
            assert reason["rule"] in ("starts", "stays", "when", "leave")
            assert bool(reason.get("condition")) == bool(reason.get("values")) == (reason["rule"] in ("when", "leave"))
    # The page, computed from the state alone, shows what the last decision says, in words.
    for locale in ("en-GB", "fr-FR", "nl-NL"):
        node, shown, _ = page_now(state, standing(story), fresh=False, consent=None, wording=Wording(locale, "EUR"))
        assert node == decisions[-1].node_after
        assert all(experience.text and "{" not in experience.text for experience in shown)
        worded = json.loads(msgspec.json.encode([experience_json(experience) for experience in shown]))
        logged = json.loads(decisions[-1].shown)
        assert [{**one, "text": ""} for one in worded] == [{**one, "text": ""} for one in logged]


def test_the_stories_reach_every_node_and_kind() -> None:
    events = [event for story in STORIES for event in story["events"]]
    assert {event["node"] for event in events} >= set(TREE.places)
    assert {kind for event in events for kind in event["shows"]} >= {"promotion", "game", "recommendation", "tension"}


@pytest.mark.parametrize(
    ("locale", "currency", "amount"),
    [
        ("en-GB", "GBP", "£3.50"),
        ("fr-FR", "EUR", "3,50\u202f€"),
        ("en-US", "USD", "$3.50"),
        ("fr-CH", "CHF", "3,50\u202fCHF"),
        ("en-CH", "CHF", "CHF 3.50"),
    ],
)
def test_amounts_are_written_as_the_language_does(locale: str, currency: str, amount: str) -> None:
    assert Wording(locale, currency)({"en": "{missing}!", "fr": "{missing}!"}, ["en", "fr"], {"missing": 3.5}) == (
        f"{amount}!"
    )
