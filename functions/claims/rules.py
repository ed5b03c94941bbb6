"""What the claim page says, in each language, and in which. Pure; the page is whole in itself: no script, no image, no
other address, so nobody learns that it was opened.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

LANGUAGES = ("fr", "en")

STYLE = (
    "body{font:1.1rem/1.5 sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
    "input,button{font:inherit;padding:.6rem;width:100%;box-sizing:border-box;margin:.3rem 0;border:2px solid #111}"
    "button{background:#111;color:#fff}[role=alert]{border-left:.4rem solid #b00;padding-left:.8rem}"
)
_STYLE_HASH = base64.b64encode(sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""The link stands in the address: it is told to nobody, and kept by no cache."""

STATUS = {"open": 200, "taken": 200, "claimed": 410, "late": 410, "void": 410, "unknown": 404, "invalid": 422}

_SAID: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "Votre gain",
        "prize": "Votre ticket a gagné {amount} chez {retailer}.",
        "open": "Laissez une adresse e-mail : elle sert à vous verser ce gain, et à rien d'autre.",
        "invalid": "Ce n'est pas une adresse e-mail complète, par exemple nom@exemple.fr. Corrigez-la.",
        "label": "Adresse e-mail",
        "send": "Recevoir mon gain",
        "taken": "C'est noté. {retailer} vous écrira à l'adresse que vous avez laissée.",
        "claimed": "Ce gain a déjà été demandé ; ce lien ne sert qu'une fois. Une erreur ? Contactez {retailer}.",
        "late": "Le délai pour demander ce gain est passé.",
        "void": "La commande a été annulée ; son ticket ne compte donc plus.",
        "unknown": "Ce lien ne mène à aucun gain. Ouvrez-le en entier, tel que la boutique vous l'a montré.",
        "rights": "L'adresse est gardée pour {retailer} jusqu'à la fin du délai prévu ; demandez-lui de l'effacer.",
    },
    "en": {
        "title": "Your prize",
        "prize": "Your ticket won {amount} at {retailer}.",
        "open": "Leave an e-mail address: it serves to pay you this prize, and for nothing else.",
        "invalid": "This is no whole e-mail address, such as name@example.com. Correct it.",
        "label": "E-mail address",
        "send": "Receive my prize",
        "taken": "Noted. {retailer} will write to the address that you left.",
        "claimed": "This prize was claimed already; the link serves once. A mistake? Contact {retailer}.",
        "late": "The time to claim this prize is over.",
        "void": "The order was cancelled, so its ticket no longer counts.",
        "unknown": "This link leads to no prize. Open it whole, as the shop showed it.",
        "rights": "The address is kept for {retailer} until its delay ends; ask {retailer} to erase it.",
    },
}

_TAG = re.compile(r"\s*([A-Za-z]{2})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*")


def language(accepted: str, locale: str = "") -> str:
    """The one that the browser prefers, else the shop's, else English."""
    found: list[tuple[float, str]] = []
    for part in accepted[:200].split(","):
        tag = _TAG.fullmatch(part)
        if tag is not None and tag[1].lower() in LANGUAGES:
            weight = tag[2] or "1"
            found.append((-float(weight) if weight.count(".") < 2 and weight != "." else 0.0, tag[1].lower()))
    if found and min(found)[0] < 0:
        return min(found, key=lambda each: each[0])[1]
    return locale[:2] if locale[:2] in LANGUAGES else "en"


def amount(cents: int, currency: str, lang: str) -> str:
    whole = f"{cents // 100}{',' if lang == 'fr' else '.'}{cents % 100:02d}"
    return f"{whole} €" if currency == "EUR" and lang == "fr" else f"{whole} {currency}"


def page(found: Mapping[str, Any], token: str, lang: str) -> str:
    """Args:
    found: as `rewards` answers: a state, and of a known prize the retailer's name and the amount.
    """
    state, said = str(found["state"]), _SAID[lang]
    retailer = str(found.get("retailer", ""))

    def text(name: str) -> str:
        return escape(said[name].format(retailer=retailer, amount=won))

    won = amount(found["cents"], found["currency"], lang) if "cents" in found else ""
    lines = [f"<h1>{escape(said['title'])}</h1>"]
    if state in ("open", "invalid", "taken"):
        lines.append(f"<p>{text('prize')}</p>")
    wrong = state == "invalid"
    lines.append(f'<p id="said" role="{"alert" if wrong else "status"}">{text(state)}</p>' if state != "open" else "")
    if state in ("open", "invalid"):
        marked = ' aria-invalid="true" aria-describedby="said"' if wrong else ' aria-describedby="why"'
        lines += [
            f'<p id="why">{text("open")}</p>',
            '<form method="post" action="/claim" accept-charset="utf-8">',
            f'<input type="hidden" name="token" value="{escape(token)}">',
            f'<label for="email">{text("label")}</label>',
            f'<input id="email" name="email" type="email" autocomplete="email" maxlength="254" required{marked}>',
            f"<button>{text('send')}</button></form>",
            f"<p><small>{text('rights')}</small></p>",
        ]
    body = "\n".join(line for line in lines if line)
    return (
        f'<!doctype html>\n<html lang="{lang}"><head><meta charset="utf-8"><title>{escape(said["title"])}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    )
