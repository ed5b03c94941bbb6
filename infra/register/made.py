"""The register of a stack, from the repository's files."""

from __future__ import annotations

from pathlib import Path

from infra import declared
from infra.capture.run import stack_values
from infra.configuration import parse
from infra.register.page import page

STACK = "prod"
PAGE = "infra/REGISTER.md"


def made(root: Path, stack: str = STACK) -> str:
    """The page of a stack.

    Raises:
        ValueError: the stack's file breaks a rule, or a declaration is missing.
    """
    return page(parse(stack, stack_values(root, stack)), declared.find(root))
