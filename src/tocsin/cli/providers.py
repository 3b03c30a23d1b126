"""``tocsin providers``: how providers are, a real test of one, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import click

from tocsin.cli import exits
from tocsin.cli.client import Client, api_path, client_option
from tocsin.cli.output import json_option, local_time, print_json, print_table


@click.group()
def providers() -> None:
    """List providers, test one, and find out what is wrong."""


@providers.command(name="list")
@client_option
@json_option
def list_providers(client: Client, as_json: bool) -> None:
    """List the providers with what they can do and how they are just now."""
    found = _all(client)
    if as_json:
        print_json({"items": found})
        return
    print_table(
        (
            "name",
            "channel",
            "state",
            "for real",
            "accepted",
            "problems",
            "last accepted",
            "last problem",
        ),
        (
            (
                each["name"],
                each["channel"],
                _state(each),
                _for_real(each["played"]),
                each["accepted"],
                sum(each["problems"].values()),
                local_time(each["last_accepted_at"]),
                _problem(each["last_problem"]),
            )
            for each in found
        ),
    )
    if any(each["played"] for each in found):
        click.echo("\nThis is a sandbox: vendors are played, and nothing leaves this machine.")
        click.echo("What a real server would need: tocsin providers doctor NAME")


@providers.command()
@client_option
@click.argument("name")
@click.argument("address")
@click.option("--title", help="What it says above.")
@click.option("--body", help="What it says.")
@json_option
def test(
    client: Client,
    name: str,
    address: str,
    title: str | None,
    body: str | None,
    as_json: bool,
) -> int:
    """Send one real message by the provider NAME to ADDRESS."""
    document = {"address": address, "title": title, "body": body}
    said = client.call("POST", api_path("providers", name, "test"), document=document).json()
    if as_json:
        print_json(said)
    else:
        detail = f" ({said['detail']})" if said["detail"] else ""
        click.echo(f"{said['outcome']}{detail} after {said['took_ms']} ms: {said['says']}.")
        click.echo(f"{said['reference']}, at the vendor {said['provider_id'] or 'without a name'}")
        _advise(said["do"])
    return exits.DONE if said["outcome"] == "accepted" else exits.NO


@providers.command()
@client_option
@click.argument("names", nargs=-1)
@json_option
def doctor(client: Client, names: tuple[str, ...], as_json: bool) -> int:
    """Say what is wrong with the providers NAMES, by default all, and what to do about it."""
    wanted = names or tuple(each["name"] for each in _all(client))
    found = [client.call("GET", api_path("providers", name, "doctor")).json() for name in wanted]
    if as_json:
        print_json({"items": found})
    for each in () if as_json else found:
        click.echo(f"{each['name']}: {'ok' if each['ok'] else 'NOT OK'}")
        for finding in each["findings"]:
            click.echo(f"  {finding['weight']}: {finding['says']}")
            _advise(finding["do"], "    ")
    return exits.DONE if all(each["ok"] for each in found) else exits.NO


def _all(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.call("GET", "/v1/providers").json()["items"]
    return found


def _advise(do: str, indent: str = "") -> None:
    if do:
        click.echo(f"{indent}→ {do}")


def _state(provider: dict[str, Any]) -> str:
    if provider["pauses"]:
        return "paused"
    if any(lane["breakers_open"] for lane in provider["lanes"]):
        return "not called"
    if provider["outdated"] is not None:
        return "files unusable"
    if any(lane["ready_at"] for lane in provider["lanes"]):
        return "waiting"
    health = provider["health"]
    if health is not None and health["share"] < 1:
        return f"given {round(100 * health['share'])} %"
    if provider["played"] is None:
        return "ready"
    return "played, by name" if provider["on_request"] else "played"


def _for_real(played: dict[str, Any] | None) -> str:
    """What a real server would say of a provider that is played."""
    if played is None:
        return ""
    if not played["configured"]:
        return "no table"
    return f"lacks {len(played['lacks'])}" if played["lacks"] else "has all"


def _problem(problem: dict[str, Any] | None) -> str:
    if problem is None:
        return ""
    return f"{problem['reason']} {problem['detail']}".strip() + f", {local_time(problem['at'])}"
