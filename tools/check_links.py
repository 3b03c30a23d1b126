"""Refuse links in Markdown that lead to no file or heading of this repository."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

_FENCE: Final = re.compile(r"(?ms)^(```|~~~).*?^\1")
_CODE: Final = re.compile(r"`[^`\n]*`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"(?m)^#{1,6}\s+(.+?)\s*$")


def anchors(text: str) -> set[str]:
    """The names that headings get where Markdown is shown."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(numbered)
    return found


def broken(path: Path, text: str) -> Iterator[str]:
    """The links in the page *text* at *path* that lead nowhere; links to other hosts pass."""
    prose = _CODE.sub("", _FENCE.sub("", text))
    for link in _LINK.findall(prose):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = path.parent / name if name else path
        if not target.exists():
            yield f"{path}: {link} leads to no file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text("utf-8")):
            yield f"{path}: {link} leads to no heading"


def main() -> int:
    top = (*Path().glob("*.md"), *Path().glob("docs/**/*.md"), *Path().glob("src/**/*.md"))
    pages = (*top, *Path().glob("examples/**/*.md"), *Path().glob("bench/**/*.md"))
    found = [line for page in pages for line in broken(page, page.read_text("utf-8"))]
    print("\n".join(found) or f"{len(pages)} pages, every link leads somewhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
