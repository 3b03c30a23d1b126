"""
The commands: each parses, calls one thing, prints, and ends with a code that means something.

A command is one file here and one line in `COMMANDS`. It is imported when it is called, so that
``tocsin up`` does not pay for what ``tocsin watch`` needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

import click

from tocsin import __version__
from tocsin.cli import exits
from tocsin.errors import TocsinError

COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "up": "tocsin.cli.up:up",
        "send": "tocsin.cli.send:send",
        "trigger": "tocsin.cli.trigger:trigger",
        "watch": "tocsin.cli.watch:watch",
        "advance": "tocsin.cli.advance:advance",
        "sandbox": "tocsin.cli.sandbox:sandbox",
        "explain": "tocsin.cli.explain:explain",
        "audit": "tocsin.cli.audit:audit",
        "dead": "tocsin.cli.dead:dead",
        "pause": "tocsin.cli.pause:pause",
        "resume": "tocsin.cli.pause:resume",
        "pauses": "tocsin.cli.pause:pauses",
        "providers": "tocsin.cli.providers:providers",
        "erasures": "tocsin.cli.erasures:erasures",
        "recipients": "tocsin.cli.recipients:recipients",
        "workflows": "tocsin.cli.workflows:workflows",
        "sms": "tocsin.cli.sms:sms",
        "keys": "tocsin.cli.keys:keys",
        "status-webhooks": "tocsin.cli.status_webhooks:status_webhooks",
        "config": "tocsin.cli.config:config",
        "migrate": "tocsin.cli.migrate:migrate",
    }
)
"""Name of the command -> where it is defined."""


class LazyGroup(click.Group):
    """A group whose commands are imported when one of them is asked for."""

    def __init__(self, commands: Mapping[str, str], **rest: Any) -> None:
        super().__init__(**rest)
        self._places = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._places)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as wrong:
            from tocsin.domain.names import nearest

            close = nearest(args[0], self._places)
            if close is None:
                raise
            raise click.UsageError(f"{wrong.message} Did you mean {close!r}?", ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = self._places.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* (by default the process's own) name; return its code."""
    group = LazyGroup(
        COMMANDS,
        name="tocsin",
        help="Tocsin, a notification platform that a team runs itself.",
        context_settings={"help_option_names": ["-h", "--help"]},
        params=[_version_option()],
    )
    try:
        code = group.main(arguments, prog_name="tocsin", standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        return exits.WRONG_USE
    except click.Abort:
        return exits.INTERRUPTED
    except TocsinError as failed:
        click.echo(failed.detail, err=True)
        return exits.of(failed)
    return code if isinstance(code, int) else exits.DONE


def _version_option() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked:
            click.echo(__version__)
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print the version.",
    )
