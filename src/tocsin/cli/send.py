"""``tocsin send``: a message by hand, without a workflow."""

from __future__ import annotations

import click

from tocsin.cli.client import Client, client_option
from tocsin.cli.output import json_option, print_json, print_warnings
from tocsin.cli.reading import recipient_terms


@click.command()
@client_option
@click.option("--title", required=True, help="What it is about.")
@click.option("--body", required=True, help="What it says.")
@click.option("--url", help="Where it leads.")
@click.option("--channel", "channels", multiple=True, help="inbox when absent; may be repeated.")
@click.option("--lane", type=click.Choice(["critical", "transactional", "bulk"]))
@click.option("--category", help="What people switch on and off.")
@click.option("--send-at", help="A time, or a duration from now.")
@click.argument("recipients", nargs=-1, required=True)
@json_option
def send(
    client: Client,
    title: str,
    body: str,
    url: str | None,
    channels: tuple[str, ...],
    lane: str | None,
    category: str | None,
    send_at: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
) -> None:
    """Send a message to RECIPIENTS: ids, or terms like '{"group": "ops"}'."""
    content = {"title": title, "body": body, "url": url}
    document = {
        "recipients": recipient_terms(recipients),
        "content": {name: value for name, value in content.items() if value is not None},
        "channels": list(channels) or None,
        "lane": lane,
        "category": category,
        "send_at": send_at,
    }
    given = {name: value for name, value in document.items() if value is not None}
    answer = client.call("POST", "/v1/send", document=given).json()
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["event"])
        print_warnings(answer["warnings"])
