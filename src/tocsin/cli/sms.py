"""``tocsin sms``: what a text costs on the air, before it is sent."""

from __future__ import annotations

import click

from tocsin.cli.output import json_option, print_json
from tocsin.domain.sms import LIMITS, segments, unencodable


@click.group()
def sms() -> None:
    """Look at texts as they would go out as SMS."""


@sms.command()
@click.argument("text")
@json_option
def count(text: str, as_json: bool) -> None:
    """Print how many parts TEXT has, in which encoding, and which characters decide that."""
    counted, forcing = segments(text), unencodable(text)
    limits = LIMITS[counted.encoding]
    room = limits.alone if counted.parts == 1 else limits.in_parts * counted.parts
    if as_json:
        print_json(
            {
                "encoding": counted.encoding,
                "units": counted.units,
                "parts": counted.parts,
                "room": room,
                "forcing": forcing,
            }
        )
        return
    parts = "1 part" if counted.parts == 1 else f"{counted.parts} parts"
    click.echo(f"{parts}, {counted.encoding}: {counted.units} of {room} units.")
    if forcing:
        plain = "".join("?" if character in forcing else character for character in text)
        instead = segments(plain).parts
        click.echo(f"{' '.join(forcing)} needs UCS-2; without, it would be {instead} in GSM-7.")
