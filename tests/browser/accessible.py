"""Looking at a page by axe-core, as it comes in a package: nothing is asked of the network."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Final

from playwright.sync_api import Page

RULES: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
LOOKS: Final = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
_RUN: Final = """async (rules) => (await axe.run(document, { runOnly: rules, resultTypes: ["violations"] }))
.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).join(" ")}`)"""


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page) -> list[str]:
    """Return what is wrong with the page as it is now, in shadow trees too; empty for nothing."""
    page.evaluate(_axe())
    found: list[str] = page.evaluate(_RUN, list(RULES))
    return found


def sideways(page: Page) -> Any:
    """Return by how many pixels the page is wider than the window."""
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
