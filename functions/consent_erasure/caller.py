"""Whose requests an identity may make: that of the retailers whose `compliance` list names it. Pure."""

from __future__ import annotations

from layers.retailers import Registry, Retailer
from layers.shell.caller import NotIdentified, caller, caller_of, is_listed

__all__ = ["NotIdentified", "caller", "caller_of", "may_act_for", "retailers_of"]


def may_act_for(email: str, retailer: Retailer) -> bool:
    return is_listed(email, retailer.compliance)


def retailers_of(email: str, registry: Registry) -> frozenset[str]:
    """The ids of the retailers whose requests this identity may see."""
    return frozenset(retailer.id for retailer in registry if may_act_for(email, retailer))
