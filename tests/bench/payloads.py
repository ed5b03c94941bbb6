"""What the load sends: envelopes of events of about 1 KB, and the HTTP requests around them. Pure, from a seed.

About 1 KB is what the issue asks for. Most events of a real shop (a basket line, a product page) are near 200 bytes;
those that reach 1 KB are orders with their lines, addresses with campaign parameters and consent strings. So the mix is
of twenty events: 8 OrderPaid of 8 to 24 lines, 5 PageViewed and 4 LinkClicked with long addresses, 2 ConsentChanged
with a TCF string, 1 AddedToBasket. It passes through every family, and 9 of 20 through the scrubbing that writes an
event anew. Each request is a template whose event ids are filled in when it is sent: no row is written twice.
"""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from layers.retailers import Retailer

MIX = (
    *("OrderPaid", "PageViewed", "OrderPaid", "LinkClicked", "PageViewed", "OrderPaid", "ConsentChanged"),
    *("OrderPaid", "LinkClicked", "PageViewed", "OrderPaid", "AddedToBasket", "OrderPaid", "LinkClicked"),
    *("PageViewed", "OrderPaid", "ConsentChanged", "LinkClicked", "OrderPaid", "PageViewed"),
)

SMALL_MIX = ("ProductViewed", "AddedToBasket", "PageViewed", "Searched", "ProductViewed")
"""What most of a shop's traffic is like."""

_SHELVES = ("fruits-et-legumes", "cremerie", "epicerie-salee", "boissons", "surgeles", "boulangerie", "hygiene-beaute")


@dataclass(frozen=True, slots=True)
class Template:
    """A whole HTTP request with `%012d` where the number of each of its events goes.

    Attributes:
        events: how many.
    """

    text: bytes
    events: int

    def filled(self, first: int) -> bytes:
        """The request whose events are numbered from `first`."""
        return self.text % tuple(range(first, first + self.events))


def _address(chance: random.Random, length: int) -> str:
    path = "/".join(("", "rayon", chance.choice(_SHELVES), f"produits-{chance.randint(100, 999)}"))
    letters = string.ascii_letters + "-_"
    campaign = f"?utm_source=newsletter&utm_medium=email&utm_campaign=semaine-{chance.randint(1, 52)}&gclid="
    return path + campaign + "".join(chance.choices(letters, k=length - len(path) - len(campaign)))


def _product(chance: random.Random) -> str:
    return str(chance.randint(3_000_000_000_000, 3_999_999_999_999))


def event(kind: str, id: str, at: datetime, chance: random.Random) -> dict[str, object]:
    """A valid event of a type of the mixes."""
    made: dict[str, object] = {
        "type": kind,
        "id": id,
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    price = chance.randint(50, 2000) / 100
    if kind == "OrderPaid":
        paid = [chance.randint(50, 2000) / 100 for _ in range(chance.randint(8, 24))]
        lines = [
            {"product": _product(chance), "quantity": chance.randint(1, 4), "paid": amount}
            | ({"discount": 0.5} if place % 3 == 0 else {})
            for place, amount in enumerate(paid)
        ]
        total = round(sum(paid), 2)
        return {**made, "order": f"A{chance.randint(10**8, 10**9)}", "total": total, "lines": lines, "store": "S0412"}
    if kind == "PageViewed":
        return {**made, "page": _address(chance, 480), "kind": "category", "category": chance.choice(_SHELVES)}
    if kind == "LinkClicked":
        return {**made, "page": _address(chance, 480), "target": _address(chance, 480)}
    if kind == "ConsentChanged":
        tcf = "C" + "".join(chance.choices(string.ascii_letters + string.digits + "-_", k=899))
        return {**made, "purposes": {"measurement": True, "personalisation": True}, "tcf": tcf}
    if kind == "AddedToBasket":
        return {**made, "product": _product(chance), "quantity": chance.randint(1, 4), "price": price}
    if kind == "ProductViewed":
        return {**made, "product": _product(chance), "price": price}
    if kind == "Searched":
        return {**made, "query": chance.choice(("lait d'avoine", "pain complet", "tomates grappe")), "results": 24}
    raise ValueError(kind)


def body(mix: tuple[str, ...], first: int, events: int, prefix: str, now: datetime, chance: random.Random) -> str:
    """An envelope as a tracker writes it, with `%012d` in the place of each event's number.

    Args:
        first: where in the mix it starts. prefix: of the event ids, in hexadecimal.
    """
    made = []
    for place in range(events):
        at = now - timedelta(milliseconds=chance.randint(1000, 3_600_000))
        made.append(event(mix[(first + place) % len(mix)], "@", at, chance))
    envelope = {
        "shopper": f"925{chance.randint(0, 10**10 - 1):010d}",
        "session": f"{chance.getrandbits(128):032x}",
        "channel": "web",
        "events": made,
    }
    text = json.dumps(envelope, separators=(",", ":")).replace("%", "%%")
    return text.replace('"id":"@"', f'"id":"{prefix}-%012d"')


def request(retailer: Retailer, port: int, text: str, events: int) -> Template:
    """A browser's request as Cloud Run's front end passes it on."""
    length = len(text % tuple(range(events)))
    origin = retailer.origins[0]
    head = "\r\n".join(
        (
            f"POST /v1/events?key={retailer.write_key} HTTP/1.1",
            f"Host: 127.0.0.1:{port}",
            "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36",
            f"Content-Length: {length}",
            "Accept: */*",
            "Accept-Encoding: gzip, deflate, br, zstd",
            "Accept-Language: fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7",
            "Content-Type: text/plain;charset=UTF-8",
            f"Origin: {origin}",
            f"Referer: {origin}/",
            'Sec-Ch-Ua: "Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
            "Sec-Ch-Ua-Mobile: ?0",
            'Sec-Ch-Ua-Platform: "Windows"',
            "Sec-Fetch-Dest: empty",
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Site: cross-site",
            "X-Forwarded-For: 203.0.113.7",
            "X-Forwarded-Proto: https",
            "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "X-Cloud-Trace-Context: 4bf92f3577b34da6a3ce929d0e0e4736/67667974448284343",
        )
    ).replace("%", "%%")
    return Template((head + "\r\n\r\n" + text).encode(), events)


def templates(
    retailer: Retailer, port: int, events: int, *, count: int, prefix: str, mix: tuple[str, ...] = MIX, seed: int = 1
) -> list[Template]:
    """`count` requests of `events` events each, of as many shoppers."""
    chance = random.Random(seed)
    now = datetime.now(UTC)
    return [request(retailer, port, body(mix, n * events, events, prefix, now, chance), events) for n in range(count)]
