"""The reference of all settings, written from their types: as a file to start from, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from tocsin.config.settings import Section, Setting, as_toml, expectation, sections


def doc_toml(providers: Sequence[Section] = ()) -> str:
    """
    A configuration file with every setting at its default, each in a comment.

    The tables of *providers* are comments, too: one that is there configures its provider.
    """
    lines = ["# Every setting of Tocsin with its default. Take the # away to change one."]
    for section in sections():
        lines += ["", *_comment(section.description)]
        if section.table:
            lines.append(f"[{section.table}]")
        for setting in section.settings:
            lines += ["", *_comment(f"{setting.description} Takes {expectation(setting)}.")]
            lines.append(_default(setting))
    for section in providers:
        lines += ["", *_comment(section.description), f"# [{section.table}]"]
        for setting in section.settings:
            lines += [*_comment(f"{setting.description} Takes {expectation(setting)}.")]
            lines.append(_default(setting))
    return "\n".join(lines) + "\n"


def doc_markdown(providers: Sequence[Section] = ()) -> str:
    """The reference page; *providers* are the tables that folders of channels bring along."""
    lines = [
        "# Settings",
        "",
        "One TOML file (`--config` or `TOCSIN_CONFIG`), then the environment, then flags; each",
        "beats those before. An unknown key is refused. `tocsin config show` says where each",
        "value came from. This page is written by `tocsin config doc --format markdown`.",
    ]
    for section in (*sections(), *providers):
        lines += ["", *_markdown(section)]
    return "\n".join(lines) + "\n"


def _markdown(section: Section) -> Iterator[str]:
    yield f"## `[{section.table}]`" if section.table else "## Top level"
    yield ""
    yield section.description
    yield ""
    yield "| key | default | takes | what it does |"
    yield "|---|---|---|---|"
    for setting in section.settings:
        yield _row(setting)


def _row(setting: Setting) -> str:
    default = None if setting.required else as_toml(setting, setting.default)
    shown = "needed" if setting.required else "unset" if default is None else f"`{default}`"
    takes = expectation(setting).replace("|", "\\|")
    return (
        f"| `{setting.key}`<br>`{setting.variable}` | {shown} | {takes} | {setting.description} |"
    )


def _default(setting: Setting) -> str:
    default = None if setting.required else as_toml(setting, setting.default)
    return f"# {setting.key} = {default or ''}".rstrip()


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, width=96)]
