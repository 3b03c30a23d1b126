"""``tocsin explain``: what happened to one recipient by one event, and why."""

from __future__ import annotations

from typing import Any, Final

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, client_option
from tocsin.cli.output import json_option, local_time, print_json, print_table

_NOTHING: Final = frozenset({"unknown_event", "unknown_recipient"})


@click.command()
@client_option
@click.option("--source", help="EVENT is the id that this source gave, not an evt_ id.")
@click.argument("event")
@click.argument("recipient")
@json_option
def explain(client: Client, source: str | None, event: str, recipient: str, as_json: bool) -> int:
    """Say what EVENT came to for RECIPIENT, and by which rules."""
    if source is None and not event.startswith("evt_"):
        raise click.UsageError(
            f"{event!r} is no evt_ id; an id of your own goes with its source:"
            f" tocsin explain --source SOURCE {event} {recipient}"
        )
    named = {"event": event} if source is None else {"source": source, "id": event}
    found = client.call("GET", "/v1/explain", query={"recipient": recipient, **named}).json()
    if as_json:
        print_json(found)
    else:
        click.echo(found["sentence"])
        for run in found["runs"]:
            _print_run(run)
    return exits.NO if found["outcome"] in _NOTHING else exits.DONE


def _print_run(run: dict[str, Any]) -> None:
    click.echo(f"\n{run['workflow']} version {run['version']}, lane {run['lane']}")
    for step in run["audience"]:
        word = "excluded" if step["excluded"] else "in" if step["member"] else "out"
        click.echo(f"  audience: {word} by {step['by']} {step['rule']} {step['detail']}".rstrip())
    if run["waiting"] is not None:
        click.echo(f"  {_waiting(run['waiting'])}")
    for delivery in run["deliveries"]:
        click.echo(f"\n  {delivery['channel']}: {delivery['state']} ({delivery['reason']})")
        print_table(
            ("  gate", "says", "looked at", "rule"),
            (
                (f"  {gate['gate']}", _says(gate), _inputs(gate["inputs"]), gate["rule"])
                for gate in delivery["gates"]
            ),
        )
        for attempt in delivery["attempts"]:
            _print_attempt(attempt)


def _print_attempt(attempt: dict[str, Any]) -> None:
    reason = attempt["reason"]
    words = (
        local_time(attempt["at"]),
        attempt["kind"],
        attempt["provider"],
        attempt["state"],
        "" if reason in {"", "accepted", attempt["state"]} else f"({_plain(reason)})",
        _in_doubt(attempt),
    )
    click.echo("    " + " ".join(filter(None, words)))
    for each in attempt["considered"]:
        why = each["why"] or "its turn had not come"
        click.echo(f"      {each['provider']} ({each['percent']} %): {_plain(why)}")


def _in_doubt(attempt: dict[str, Any]) -> str:
    if attempt["known"]:
        return ""
    if attempt["reason"] == "ringing":
        return "the provider has the call; nobody had taken it yet"
    return "not known whether it was taken"


def _plain(code: str) -> str:
    return code.replace("_", " ")


def _waiting(waiting: dict[str, Any]) -> str:
    until = local_time(waiting["until"]) or f"{waiting['duration']} after what was sent has settled"
    unless = f", unless {waiting['unless']} before" if waiting["unless"] else ""
    return f"waiting: {waiting['next']} follows at {until}{unless}"


def _says(gate: dict[str, Any]) -> str:
    return "pass" if gate["passed"] else str(gate["reason"])


def _inputs(inputs: dict[str, Any]) -> str:
    return ", ".join(_input(name, value) for name, value in inputs.items() if value is not None)


def _input(name: str, value: Any) -> str:
    """Instants are for people here; ``--json`` has them as they are."""
    if name.endswith("_ms") and isinstance(value, int):
        return f"{name.removesuffix('_ms')}={local_time(value)}"
    return f"{name}={value}"
