"""Commands against a real server: what they print, and what they end with."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.cli.server import PATIENCE_S, Done, Server, environment, run, serving, until
from tocsin.cli.client import Client
from tocsin.cli.exits import ServerRefused

pytestmark = [pytest.mark.slow, pytest.mark.faults, pytest.mark.timeout(600)]

WORKFLOW = """
key = "order.shipped"
on = ["order.shipped"]
category = "orders"
audience = { path = "data.customer_id" }

[[steps]]
channel = "inbox"
title = "Order {{ data.order }} is on its way"
body = "It should reach you soon."
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One sandbox for all commands of this file, with a workflow."""
    folder = tmp_path_factory.mktemp("cli")
    documents = folder / "workflows"
    documents.mkdir()
    (documents / "order.toml").write_text(WORKFLOW)
    with serving(folder / "data") as started:
        pushed = run(["workflows", "push", "--data", str(started.folder), str(documents)])
        assert pushed.code == 0, pushed.err
        yield started


def tocsin(server: Server, *arguments: str, given: str = "") -> Done:
    return run([*arguments, "--data", str(server.folder)], given=given)


@contextmanager
def running(server: Server, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and kill it where the test ends first: waiting for it could be for ever."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments, "--data", str(server.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no thread of ours holds a lock that this needs
    )
    # Whoever reads a line that never comes is told by its absence.
    too_long = threading.Timer(PATIENCE_S, process.kill)
    too_long.start()
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()
    finally:
        too_long.cancel()


def test_a_status_webhook_is_put_listed_and_removed(server: Server) -> None:
    url = "https://shop.example/statuses"
    made = tocsin(server, "status-webhooks", "put", "crm", url, "--state", "failed")
    again = tocsin(server, "status-webhooks", "put", "crm", url, "--paused", "--json")
    listed = tocsin(server, "status-webhooks", "list")
    removed = tocsin(server, "status-webhooks", "delete", "crm")
    missing = tocsin(server, "status-webhooks", "delete", "crm")
    refused = tocsin(server, "status-webhooks", "put", "crm", "http://127.0.0.1/")

    assert "crm is active." in made.out
    assert "whsec_" in made.out
    assert again.document["state"] == "paused"
    assert "secret" not in again.document
    assert all(each in listed.out for each in (url, "failing since"))
    assert removed.out.strip() == "crm is removed."
    assert (missing.code, refused.code) == (1, 2)


def test_workflows_are_pushed_once(server: Server) -> None:
    folder = server.folder.parent / "workflows"

    again = tocsin(server, "workflows", "push", str(folder), "--json")
    listed = tocsin(server, "workflows", "list")
    shown = tocsin(server, "workflows", "show", "order.shipped")

    assert again.document == {"published": [], "unchanged": 1}
    assert "order.shipped" in listed.out
    assert shown.document["key"] == "order.shipped"


def test_a_folder_with_a_mistake_names_the_file_and_the_place(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "good.toml").write_text(WORKFLOW.replace("order.shipped", "order.lost"))
    (tmp_path / "wrong.toml").write_text('key = "a.b"\nlane = "slow"\n')

    refused = tocsin(server, "workflows", "push", str(tmp_path))

    assert refused.code == 2
    assert refused.err.startswith(f"{tmp_path / 'wrong.toml'}: ")
    assert "/lane" in refused.err


def test_recipients_are_written_read_and_imported(server: Server, tmp_path: Path) -> None:
    lines = tmp_path / "people.ndjson"
    lines.write_text('{"id": "kim", "name": "Kim"}\n{"id": "lee", "timezone": "No/Where"}\n')

    put = tocsin(server, "recipients", "put", "ana", "--name", "Ana")
    again = tocsin(server, "recipients", "put", "ana", "--locale", "de")
    got = tocsin(server, "recipients", "get", "ana")
    loaded = tocsin(server, "recipients", "import", str(lines), "--json")

    assert (put.out, again.out) == ("ana: version 1\n", "ana: version 2\n")
    assert (got.document["name"], got.document["locale"]) == ("Ana", "de")
    assert loaded.code == 1
    assert (loaded.document["created"], loaded.document["problems"][0]["line"]) == (1, 2)
    assert "kim" in tocsin(server, "recipients", "list").out


def test_keys_are_made_listed_and_revoked(server: Server) -> None:
    made = tocsin(server, "keys", "create", "reader", "--role", "viewer", "--json").document
    listed = tocsin(server, "keys", "list")
    remote = environment(TOCSIN_URL=server.address, TOCSIN_KEY=made["key"])
    reached = run(["audit"], env=remote)
    forbidden = run(["keys", "list"], env=remote)
    tocsin(server, "keys", "revoke", made["id"])
    refused = run(["audit"], env=remote)

    assert made["key"] not in listed.out
    assert made["id"] in listed.out
    assert reached.code == 0
    assert forbidden.code == 2
    assert "scope admin" in forbidden.err
    assert refused.code == 2


def test_what_is_watched_is_printed_and_explained(server: Server) -> None:
    with running(server, "watch", "bea", "--json", "--count", "1") as watching:
        sent: list[str] = []

        def shown() -> bool:
            # Sent until the watch is connected: it prints what comes while it looks.
            done = post_event(server, "bea", len(sent))
            sent.append(done)
            return watching.poll() is not None

        until("an item", shown)
        out, _ = watching.communicate()
        code = watching.returncode

    item = json.loads(out.splitlines()[0])
    explained = tocsin(server, "explain", sent[0], "bea")
    by_source = tocsin(server, "explain", "bea-0", "bea", "--source", "shop", "--json")

    assert code == 0
    assert item["type"] == "item"
    assert item["item"]["workflow"] == "order.shipped"
    assert explained.code == 0
    assert explained.out.startswith("bea got it by inbox at ")
    assert by_source.document["event"] == sent[0]


def test_letters_are_watched_beside_the_inbox(server: Server) -> None:
    tocsin(server, "recipients", "put", "dora", "--email", "dora@example.com")
    with running(server, "watch", "dora", "--count", "1") as watching:
        assert watching.stderr is not None
        # Whatever is sent after the greeting is printed.
        watching.stderr.readline()
        sent = tocsin(
            server, "send", "dora", "--title", "Hello", "--body", "By letter", "--channel", "email"
        )
        assert sent.code == 0, sent.err
        out, _ = watching.communicate(timeout=PATIENCE_S)

    (line,) = out.splitlines()
    assert "email" in line
    assert "dora@example.com  Hello — By letter" in line


def test_the_clock_is_shown_and_moved(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as own:
        before = tocsin(own, "advance", "--json").document
        moved = tocsin(own, "advance", "1d")
        after = tocsin(own, "advance", "--json").document
        back = tocsin(own, "advance", "--to", "2001-01-01")
        both = tocsin(own, "advance", "1d", "--to", "2001-01-01")

    assert moved.code == 0
    assert moved.out.startswith("It is 20")
    assert after["offset_ms"] >= before["offset_ms"] + 86_000_000
    assert back.code == 2
    assert "never goes back" in back.err
    assert both.code == 2


def test_ctrl_c_ends_a_watch_with_success(server: Server) -> None:
    with running(server, "watch", "cem") as watching:
        assert watching.stderr is not None
        greeting = watching.stderr.readline()
        watching.send_signal(signal.SIGINT)
        code = watching.wait(PATIENCE_S)

    assert greeting.startswith("Watching cem: 0 unread")
    assert code == 0


def test_what_is_unknown_ends_with_no(server: Server) -> None:
    unknown = tocsin(server, "explain", "evt_" + "0" * 32, "ana")
    wrong = tocsin(server, "explain", "nonsense", "ana")

    assert unknown.code == 1
    assert "is held here" in unknown.out
    assert wrong.code == 2
    assert "--source SOURCE nonsense ana" in wrong.err


def test_an_audit_balances_and_says_so(server: Server) -> None:
    post_event(server, "dan", 0)

    table = tocsin(server, "audit")
    document = tocsin(server, "audit", "--since", "30m", "--json").document

    assert table.code == 0
    assert table.out.startswith("Balanced: ")
    assert document["balanced"] is True
    line = document["deliveries"]["transactional"]["inbox"]
    assert line["planned"] == line["sent"] + line["delivered"]


def test_nobody_answers(tmp_path: Path) -> None:
    done = run(["audit", "--data", str(tmp_path)])

    assert done.code == 3
    assert "Start a server" in done.err


def test_a_real_installation_without_a_key_is_no_usable_configuration() -> None:
    done = run(["config", "check"], env=environment(TOCSIN_MODE="real"))

    assert done.code == 1
    assert "keys.encryption_key_file" in done.out


def test_the_first_key_of_a_real_installation(tmp_path: Path) -> None:
    keyfile = tmp_path / "encryption.key"
    keyfile.write_text(base64.b64encode(os.urandom(32)).decode())
    env = environment(TOCSIN_MODE="real", TOCSIN_KEYS__ENCRYPTION_KEY_FILE=str(keyfile))
    with serving(tmp_path / "data", env=env) as server:
        made = run(["keys", "create", "ops", "--role", "admin", "--data", str(server.folder)])
        remote = environment(TOCSIN_URL=server.address, TOCSIN_KEY=made.out.strip())
        reached = run(["keys", "list"], env=remote)

    assert not (server.folder / "sandbox.key").exists()
    assert made.out.startswith("tcs_")
    assert reached.code == 0


def test_a_folder_that_is_served_is_not_migrated(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    nothing = run(["migrate", "--data", str(folder)])
    with serving(folder) as server:
        locked = run(["migrate", "--data", str(folder)])
        code = server.stop()
    migrated = run(["migrate", "--data", str(folder), "--json"])

    assert (nothing.code, nothing.err.strip()) == (
        1,
        f"{folder} is no data folder: nothing was ever started in it",
    )
    assert locked.code == 1
    assert str(server.process.pid) in locked.err
    assert (code, migrated.document) == (0, {"applied": []})
    assert not (folder / "address").exists()


def test_a_trigger_runs_a_workflow_and_a_message_goes_by_hand(server: Server) -> None:
    triggered = tocsin(
        server, "trigger", "order.shipped", "fay", "--payload", '{"order": 7}', "--json"
    )
    by_hand = tocsin(server, "send", "--title", "Hello", "--body", "It works", "fay")

    assert triggered.code == by_hand.code == 0, triggered.err + by_hand.err
    assert by_hand.out.startswith("evt_")
    explained = tocsin(server, "explain", triggered.document["event"], "fay")
    assert "by recipient 'fay' named in the call" in explained.out


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/v1/notifications", {}, "filter_not_served"),
        ("/v1/notifications", {"recipient": "ana", "event": "evt_1"}, "filter_not_served"),
        ("/v1/notifications", {"workflow": "w"}, "filter_not_served"),
        ("/v1/notifications", {"workflow": "w", "state": "sent"}, "filter_not_served"),
        ("/v1/notifications", {"recipient": "ana", "state": "failed"}, "filter_not_served"),
        ("/v1/notifications", {"event": "evt_" + "0" * 32, "cursor": "!"}, "invalid_cursor"),
        ("/v1/notifications/ntf_1", {}, "invalid_id"),
        ("/v1/events/evt_1", {}, "invalid_id"),
        ("/v1/events/evt_" + "0" * 32, {}, "not_found"),
        ("/v1/explain", {"recipient": "ana"}, "invalid"),
        ("/v1/explain", {"recipient": "ana", "source": "shop"}, "invalid"),
        ("/v1/audit", {"since": "yesterday"}, "invalid"),
        ("/v1/audit", {"since": "2999-01-01T00:00:00Z"}, "invalid"),
    ],
)
def test_what_cannot_be_asked(
    server: Server, path: str, query: dict[str, object], code: str
) -> None:
    with pytest.raises(ServerRefused) as refused:
        Client(data=server.folder).call("GET", path, query=query)

    assert refused.value.answered_code == code


def test_what_happened_is_served(server: Server) -> None:
    client = Client(data=server.folder)
    event = post_event(server, "gus", 0)
    until("routing", lambda: client.call("GET", f"/v1/events/{event}").json()["runs"])

    shown = client.call("GET", f"/v1/events/{event}").json()
    (of_event,) = client.call("GET", "/v1/notifications", query={"event": event}).json()["items"]
    (of_gus,) = client.call("GET", "/v1/notifications", query={"recipient": "gus"}).json()["items"]
    one = client.call("GET", f"/v1/notifications/{of_gus['id']}").json()
    metrics = client.call("GET", "/metrics").body.decode()

    assert (shown["outcome"], shown["event_id"]) == ("routed", "gus-0")
    assert of_event == of_gus
    assert {name: one[name] for name in of_gus} == of_gus
    assert "tocsin_audit_violations 0.0" in metrics


def post_event(server: Server, recipient: str, n: int) -> str:
    """Send an event over HTTP; return its id."""
    document = {
        "type": "order.shipped",
        "source": "shop",
        "id": f"{recipient}-{n}",
        "data": {"customer_id": recipient, "order": n},
    }
    answer = Client(data=server.folder).call("POST", "/v1/events", document=document)
    return str(answer.json()["events"][0]["id"])


def test_something_is_paused_listed_and_resumed(server: Server) -> None:
    made = tocsin(server, "pause", "--lane", "bulk", "--reason", "too loud", "--json")
    listed = tocsin(server, "pauses")
    other = tocsin(server, "resume", "--lane", "critical")
    ended = tocsin(server, "resume", "--lane", "bulk", "--reason", "quiet again")

    assert made.document["lane"] == "bulk"
    assert made.document["id"] in listed.out
    assert "too loud" in listed.out
    assert other.code == 1
    assert ended.out == f"{made.document['id']}: lane=bulk goes on; 0 were parked.\n"
    assert tocsin(server, "pauses", "--json").document == {"items": []}
    assert tocsin(server, "pause", "--reason", "why").code == 2
    assert tocsin(server, "resume").code == 2


def test_an_audit_ends_some_time_back(server: Server) -> None:
    done = tocsin(server, "audit", "--since", "2d", "--until", "1d")

    assert done.code == 0
    assert done.out.startswith("Balanced: nothing was accepted")


def test_dead_letters_are_listed_and_moved(server: Server) -> None:
    listed = tocsin(server, "dead", "list", "--lane", "bulk", "--json")
    nobody = tocsin(server, "dead", "replay", "--all")
    unknown = tocsin(server, "dead", "show", f"dlv_{'0' * 40}")
    discarded = tocsin(server, "dead", "discard", "--channel", "email", "--reason", "old", "--json")

    assert listed.document == {"items": [], "next": None}
    assert (nobody.code, nobody.out) == (1, "0 are made anew.\n")
    assert unknown.code != 0
    assert discarded.document == {"count": 0}
    assert tocsin(server, "dead", "replay").code == 2
    assert tocsin(server, "dead", "discard", "--all").code == 2
