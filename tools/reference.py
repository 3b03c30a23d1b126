"""
Write the pages of docs/reference that follow from the code; with ``--check``, refuse stale ones.

A page here is a function from nothing to Markdown and one line in `PAGES`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from tocsin import errors
from tocsin.cli import COMMANDS, LazyGroup
from tocsin.config import doc_markdown
from tocsin.wiring.channels import provider_sections
from tools.pages import (
    metrics_page,
    providers_page,
    reasons_page,
    records_page,
    routes_page,
    templates_page,
)

FOLDER: Final = Path("docs/reference")


def commands_page() -> str:
    """Every command with its help, as ``--help`` prints it."""
    root = LazyGroup(COMMANDS, name="tocsin")
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 done, 1 the answer is no, 2 wrong use, 3 cannot reach the server.",
    ]
    for name in COMMANDS:
        context = click.Context(root, info_name="tocsin")
        command = root.get_command(context, name)
        assert command is not None
        lines += _command(command, name, context)
    return "\n".join(lines) + "\n"


def _command(command: click.Command, name: str, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=80)
    yield ""
    yield f"## `{context.command_path}`"
    yield ""
    yield "```text"
    yield command.get_help(context)
    yield "```"
    if isinstance(command, click.Group):
        for inner_name, inner in sorted(command.commands.items()):
            yield from _command(inner, inner_name, context)


def errors_page() -> str:
    """Every code of a problem document, by its class."""
    lines = [
        "# Errors",
        "",
        "Problem documents (RFC 9457). `code` never changes; `detail` may.",
        "",
        "| code | status | title | meaning |",
        "|---|---|---|---|",
    ]
    for kind in _tree(errors.TocsinError):
        meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| `{kind.code}` | {kind.status} | {kind.title} | {meaning} |")
    return "\n".join(lines) + "\n"


def _tree(kind: type[errors.TocsinError]) -> Iterator[type[errors.TocsinError]]:
    """*kind* and what follows from it, of those that the server may answer with."""
    yield kind
    for inner in kind.__subclasses__():
        if inner.__module__ == errors.__name__:
            yield from _tree(inner)


PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "commands.md": commands_page,
        "errors.md": errors_page,
        "metrics.md": metrics_page,
        "providers.md": providers_page,
        "reasons.md": reasons_page,
        "records.md": records_page,
        "routes.md": routes_page,
        "settings.md": lambda: doc_markdown(provider_sections()),
        "templates.md": templates_page,
    }
)


def stale(folder: Path) -> list[str]:
    """The pages in *folder* that are absent or differ from what the code says now."""
    return [
        name
        for name, write in PAGES.items()
        if not (path := folder / name).is_file() or path.read_text("utf-8") != write()
    ]


def write(folder: Path) -> None:
    """Write all pages into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), "utf-8")


def main(arguments: list[str]) -> int:
    if arguments != ["--check"]:
        write(FOLDER)
        return 0
    found = stale(FOLDER)
    for name in found:
        print(f"{FOLDER / name} is not what the code says: run `make reference`")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
