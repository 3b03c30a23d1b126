"""The reference of all settings, written from their types: as a file to start from, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from tocsin.config.channel_tables import MATCHES
from tocsin.config.settings import Section, Setting, as_toml, expectation, sections

_ROUTES: Final = (
    "Which providers of a channel carry what. The first route that fits a message counts; what no"
    " route takes goes by the providers in the order of their tables."
)
_CARRIERS: Final = (
    "| `providers` | names, asked in this order | every channel |",
    (
        "| `weights` | names with whole numbers: how many of the deliveries each is given; 0: only"
        " what the others cannot carry | every channel |"
    ),
)
_EXAMPLE: Final = (
    "[[channels.sms.routes]]",
    'prefixes = ["+49", "+43"]',
    "weights = { vonage = 3, twilio = 1 }",
    "",
    "[[channels.sms.routes]]",
    'providers = ["twilio", "vonage"]',
)


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
    lines += ["", *_comment(_ROUTES), *(f"# {line}" for line in _EXAMPLE)]
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
    lines += ["", "## `[[channels.<name>.routes]]`", "", _ROUTES, ""]
    lines += ["| key | takes | on |", "|---|---|---|"]
    for key, (channels, takes) in MATCHES.items():
        where = ", ".join(f"`{each}`" for each in sorted(channels)) or "every channel"
        lines.append(f"| `{key}` | {takes} | {where} |")
    lines += [*_CARRIERS, "", "```toml", *_EXAMPLE, "```"]
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
