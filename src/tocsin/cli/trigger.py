"""``tocsin trigger``: run one workflow."""

from __future__ import annotations

from typing import Any

import click

from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, print_json, print_warnings
from tocsin.cli.reading import json_value, recipient_terms


@click.command()
@client_option
@click.option(
    "--payload", callback=json_value, help="The data: JSON, @FILE, or - for standard input."
)
@click.option("--actor", help="Who caused it.")
@click.option("--tenant", help="For which of your customers.")
@click.option("--cancellation-key", help="What `POST /v1/cancel` names.")
@click.option("--expires-in", help="How long it is worth sending, like 2d.")
@click.option("--send-at", help="A time, or a duration from now.")
@click.argument("workflow")
@click.argument("recipients", nargs=-1)
@json_option
def trigger(
    client: Client,
    payload: Any,
    actor: str | None,
    tenant: str | None,
    cancellation_key: str | None,
    expires_in: str | None,
    send_at: str | None,
    workflow: str,
    recipients: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run WORKFLOW for RECIPIENTS: ids, or terms like '{"group": "ops"}'."""
    document = {
        "recipients": recipient_terms(recipients) or None,
        "data": payload,
        "actor": actor,
        "tenant": tenant,
        "cancellation_key": cancellation_key,
        "expires_in": expires_in,
        "send_at": send_at,
    }
    given = {name: value for name, value in document.items() if value is not None}
    answer = client.call("POST", api_path("workflows", workflow, "trigger"), document=given).json()
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["event"])
        print_warnings(answer["warnings"])
