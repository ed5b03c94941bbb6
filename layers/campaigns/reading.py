"""Reads a campaign or house rules: YAML as people write it, JSON as it is kept. Every error teaches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

import msgspec

from layers.campaigns.model import Campaign, HouseRules
from layers.campaigns.problems import problems_of, problems_of_rules
from layers.handwritten.yaml_file import NotReadable, read_strictly


class InvalidCampaign(ValueError):
    """Attributes:
    problems: each one names the field, the consequence and the remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


_Written = TypeVar("_Written", Campaign, HouseRules)


def _converted(text: str, wanted: type[_Written]) -> _Written:
    try:
        plain = read_strictly(text)
    except NotReadable as error:
        raise InvalidCampaign([str(error)]) from None
    return _typed(plain, wanted)


def _typed(plain: object, wanted: type[_Written]) -> _Written:
    try:
        return msgspec.convert(plain, wanted, strict=True)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$")
        where = path.rstrip("`").lstrip(".") or "the file"
        taught = ""
        if "matching regex" in rule:
            taught = "; an id has lower-case letters, digits and _, a product's also . : -"
        elif "Expected `str`, got `int`" in rule:
            taught = "; put an id in quotes, so that no zero in front is lost"
        elif "Expected `float" in rule or "Expected `int" in rule:
            taught = "; write a number without quotes, sign or currency"
        elif "unknown field" in rule:
            fields = ", ".join(field.encode_name for field in msgspec.structs.fields(wanted))
            taught = f"; a {wanted.__name__} has {fields}" if where == "the file" else ""
        elif "Expected `date`" in rule:
            taught = "; write a day as 2026-11-23"
        raise InvalidCampaign([f"{where}: {rule}{taught}"]) from None


def read_campaign(text: str, rules: HouseRules, timezone: str = "") -> Campaign:
    """Args:
        timezone: the retailer's, for a campaign that names none.

    Raises:
        InvalidCampaign: with every problem between fields, or the first of its form.
    """
    return _judged(_converted(text, Campaign), rules, timezone)


def read_campaign_json(data: bytes, rules: HouseRules, timezone: str = "") -> Campaign:
    """The same fields, as a program writes them.

    Raises:
        InvalidCampaign: as `read_campaign`.
    """
    try:
        plain = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidCampaign(["the file: no JSON; send one object with the campaign's fields"]) from None
    return _judged(_typed(plain, Campaign), rules, timezone)


def _judged(campaign: Campaign, rules: HouseRules, timezone: str) -> Campaign:
    if not campaign.timezone:
        # Into the version: whoever moves to another zone later does not move the campaigns that run.
        campaign = msgspec.structs.replace(campaign, timezone=timezone)
    problems = problems_of(campaign, rules)
    if problems:
        raise InvalidCampaign(problems)
    return campaign


def read_rules(text: str) -> HouseRules:
    """Raises:
    InvalidCampaign: with every problem between fields, or the first of its form.
    """
    rules = _converted(text, HouseRules)
    problems = problems_of_rules(rules)
    if problems:
        raise InvalidCampaign(problems)
    return rules


_PLACE = re.compile(r"([a-z_]+)(?:[ \[](\d+)\]?)?")


def pointers_of(problem: str) -> list[str]:
    """The fields that a problem names, as JSON pointers (RFC 6901): `generosity 2: ...` is of `/generosity/1`."""
    where, _, _ = problem.partition(": ")
    if where == "the file":
        return [""]
    found = []
    for field in where.split(", "):
        parts = []
        for name, number in _PLACE.findall(field):
            # People count a list's members from 1, msgspec's paths do from 0.
            place = int(number) - 1 if number and " " in field else number
            parts += [name, str(place)] if number else [name]
        found.append("".join(f"/{part}" for part in parts))
    return found


_campaigns = msgspec.json.Decoder(Campaign)
_rules = msgspec.json.Decoder(HouseRules)


def kept(written: Campaign | HouseRules) -> str:
    """As it is kept: `campaign_kept` and `rules_kept` read it back."""
    return msgspec.json.encode(written, order="sorted").decode()


def campaign_kept(data: str) -> Campaign:
    """Raises msgspec.MsgspecError: kept by a version of this code that knew other fields."""
    return _campaigns.decode(data)


def rules_kept(data: str) -> HouseRules:
    """Raises msgspec.MsgspecError: kept by a version of this code that knew other fields."""
    return _rules.decode(data)


def version_of(written: Campaign | HouseRules) -> str:
    """Of the meaning: two files that differ in comments or layout are the same version."""
    return sha256(kept(written).encode()).hexdigest()[:12]
