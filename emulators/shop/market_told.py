"""The market day in lines for people, and as numbers for the summary. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from emulators.shop.kinds import Seen
    from emulators.shop.market import Market
    from emulators.shop.promised import Kept


def kind_lines(found: Iterable[Seen]) -> Iterator[str]:
    for each in found:
        of = " ".join(part for part in (each.kind, each.of, f"({each.reason})" if each.reason else "") if part)
        yield f"{of}: seen by {each.shoppers} shoppers on {each.pages} pages, one of which got"
        yield f"    {each.page}"


def account_lines(accounts: Iterable[Kept]) -> Iterator[str]:
    for one in accounts:
        yield (
            f"{one.campaign}: {one.promised} promised; {one.earned} earned on delivery, {one.freed} freed, "
            f"{one.returned} taken back, {one.waiting} open; of {one.limit / 100:,.2f} are {one.spent / 100:,.2f} "
            f"spent, {one.reserved / 100:,.2f} reserved, {one.left / 100:,.2f} left"
        )


def summary(market: Market) -> dict[str, Any]:
    """Amounts in cents, times in seconds."""
    games = market.games
    return {
        "day": market.day.isoformat(),
        "orders": market.orders,
        "events": len(market.played.tally.sent),
        "seconds": round(market.seconds, 1),
        "simulated": asdict(market.simulated),
        "kinds": [{**asdict(each), "page": msgspec.json.decode(each.page)} for each in market.seen],
        "paused": [
            {"what": each.what, "gone_s": round(each.gone_s, 2), "back_s": round(each.back_s, 2)}
            for each in market.paused
        ],
        "campaigns": [asdict(each) for each in market.kept],
        "audited": {name: market.audited[name] for name in ("promises", "repaired", "unrepaired")},
        "games": [
            {
                **asdict(each),
                "outcomes": {outcome: n for (name, outcome), n in games.tickets.items() if name == each.game},
            }
            for each in games.closed
        ],
        "tickets_too_late": games.late,
        "refunds": {"orders": len(games.refunds), "cents": sum(games.refunds)},
        "pages_compared": market.decided.compared,
        "pages_agreeing": market.decided.agreeing,
        "replay": {
            "decisions": market.replayed.decisions,
            "same": market.replayed.same,
            "different": market.replayed.different,
            "excused": market.replayed.excused,
        },
    }


def rows(numbers: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of the summary's part."""
    found = [("today", f"{numbers['orders']} orders, {numbers['events']:,} events in {numbers['seconds']:.0f} s; "
                       f"simulated before: {numbers['simulated']['claimed']:,.2f} would have been given")]  # fmt: skip
    found.append(("kinds seen", ", ".join(_kind(each) for each in numbers["kinds"])))
    found += [(each["campaign"], _account(each)) for each in numbers["campaigns"]]
    audited = numbers["audited"]
    told_of = f"{audited['promises']} promises held against reservations and events"
    found.append(("books", f"{told_of}: {audited['repaired']} repaired, {audited['unrepaired']} left to people"))
    found.append(("pause", "; ".join(f"{e['what']} off pages in {e['gone_s']} s" for e in numbers["paused"]) or "none"))
    games: Sequence[Mapping[str, Any]] = numbers["games"]
    told = "; ".join(f"{e['game']} {e['tickets']} tickets, {e['won']} won, {e['void']} void" for e in games)
    refunds = numbers["refunds"]
    found.append(("games", f"{told}; every winner recomputed; {refunds['orders']} claimed and exported"))
    replay = numbers["replay"]
    found.append(
        ("today's replay", f"{replay['decisions']:,} decisions: {replay['same']:,} the same bit for bit, "
                           f"{replay['different']} different, {sum(replay['excused'].values())} excused")
    )  # fmt: skip
    return found


def _kind(each: Mapping[str, Any]) -> str:
    of = each["of"] or each["reason"]
    return f"{each['kind']}{f' {of}' if of else ''} {each['shoppers']}"


def _account(each: Mapping[str, Any]) -> str:
    return (
        f"{each['promised']} promised, {each['earned']} earned, {each['freed']} freed, {each['returned']} taken back, "
        f"{each['waiting']} open; {each['left'] / 100:,.2f} left of {each['limit'] / 100:,.2f}"
    )
