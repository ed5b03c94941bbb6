"""Our event names in the words of GA4 and of Segment's e-commerce spec, for teams that already track with those.

Sources: GA4 recommended events (purchase, add_to_cart, …) and Segment Spec: V2 Ecommerce Events. None where the other
vocabulary has no such event.
"""

from __future__ import annotations

GA4: dict[str, str | None] = {
    "PageViewed": "page_view",
    "LinkClicked": "click",
    "Searched": "search",
    "ProductViewed": "view_item",
    "AddedToBasket": "add_to_cart",
    "RemovedFromBasket": "remove_from_cart",
    "BasketValidated": "begin_checkout",
    "OrderPaid": "purchase",
    "OrderStatusUpdated": None,
    "ExperienceShown": "view_promotion",
    "ExperienceClicked": "select_promotion",
    "ConsentChanged": None,
}

GA4_STATUS: dict[str, str | None] = {"cancelled": None, "refunded": "refund"}
"""Of an `OrderStatusUpdated` that ends its order. GA4 and Segment list what went back; `kept` is what did not."""

SEGMENT: dict[str, str | None] = {
    "PageViewed": "Page Viewed",
    "LinkClicked": None,
    "Searched": "Products Searched",
    "ProductViewed": "Product Viewed",
    "AddedToBasket": "Product Added",
    "RemovedFromBasket": "Product Removed",
    "BasketValidated": "Checkout Started",
    "OrderPaid": "Order Completed",
    "OrderStatusUpdated": "Order Updated",
    "ExperienceShown": "Promotion Viewed",
    "ExperienceClicked": "Promotion Clicked",
    "ConsentChanged": None,
}

SEGMENT_STATUS: dict[str, str | None] = {"cancelled": "Order Cancelled", "refunded": "Order Refunded"}
"""Of an `OrderStatusUpdated` that ends its order; any other is an `Order Updated`."""
