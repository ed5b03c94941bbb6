"""What each field of an event means, in words for the person whom it is about. Data only.

Whoever gives access to a shopper's data answers with these. A field without a meaning fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping

ENVELOPE: Mapping[str, str] = {
    "session": "The visit it belongs to, as the shop's page or app numbered it.",
    "channel": "Where it happened: web, app, store, server (the retailer's own systems), history (delivered in "
    "bulk), officer (recorded by the compliance officer).",
    "received": "When it arrived here.",
    "event": "The event itself, as it was sent; free text was scrubbed of addresses and numbers first.",
}

EVENT: Mapping[str, str] = {
    "type": "What was done.",
    "id": "The event's own number, given by the sender.",
    "at": "When it was done, by the sender's clock.",
    "page": "Address of the page, without its query.",
    "kind": "Of a page: which sort it is. Of an experience: promotion, game, recommendation, tension or default.",
    "category": "Of the page, as the retailer names it.",
    "seconds": "How long the page was seen.",
    "target": "Where a followed link led.",
    "query": "Words that were searched for.",
    "results": "How many products the search found.",
    "product": "The retailer's product number.",
    "price": "Of one unit.",
    "quantity": "Pieces, weight or volume.",
    "total": "Of the basket or the order.",
    "order": "The retailer's order number.",
    "store": "The retailer's store number.",
    "payment": "How an order was paid: card, wallet, transfer, meal voucher, gift card, cash, other.",
    "household": "Which orders are of one household: a code that the retailer makes of its number, and we cannot undo.",
    "lines": "Of a basket: how many products. Of an order: each product with what was paid.",
    "lines.product": "The retailer's product number.",
    "lines.paid": "What was paid for the line, after discount.",
    "lines.quantity": "Pieces, weight or volume; absent where the till did not record it.",
    "lines.discount": "What was taken off the line.",
    "status": "What became of an order.",
    "kept": "All that was kept of the order and paid for, as of then.",
    "kept.total": "Of what was kept.",
    "kept.lines": "Each product that was kept with what was paid.",
    "kept.lines.product": "The retailer's product number.",
    "kept.lines.paid": "What was paid for the line, after discount.",
    "kept.lines.quantity": "Pieces, weight or volume, as delivered.",
    "kept.lines.discount": "What was taken off the line.",
    "kept.lines.substituted_for": "The product that was ordered, where this one came in its place.",
    "decision": "The number of the decision that chose the experience.",
    "node": "The place in the tree of experiences that it belongs to.",
    "purposes": "What was agreed to from then on; a purpose that is not named is refused.",
    "purposes.measurement": "Measuring how the shop is used.",
    "purposes.personalisation": "Suiting the shop to this shopper.",
    "purposes.advertising": "Advertising of brands.",
    "purposes.rewards": "Handing out what was won or earned.",
    "tcf": "The consent as a string of the IAB's framework, as the page sent it.",
    "consent_mode": "The consent as flags of Google's Consent Mode, as the page sent them.",
    "consent_mode.ad_storage": "Granted or denied: storage for advertising.",
    "consent_mode.analytics_storage": "Granted or denied: storage for analytics.",
    "consent_mode.ad_user_data": "Granted or denied: sending user data to Google for advertising.",
    "consent_mode.ad_personalization": "Granted or denied: personalised advertising.",
}
"""By field, `outer.inner` within a field."""
