"""The checker of the outside finds each thing that must not happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.faults.history import History, Sent
from tests.faults.outside_checker import Counts, Trail, compare, counts_of, untold
from tests.faults.outside_load import (
    DOOMED,
    PEOPLE,
    READER,
    SILENT,
    STATUS_PATH,
    email_of,
    webhook_of,
)
from tocsin.ports.simulator import Received

ANA = PEOPLE[0]
_CHANNELS = {"email": ("smtp", "subject", email_of), "webhook": ("webhook", "title", webhook_of)}


def message(title: str, person: str, channel: str, reference: str = "") -> Received:
    provider, field, of = _CHANNELS[channel]
    return Received(
        id=f"{provider}-1",
        provider=provider,
        channel=channel,
        reference=reference or f"dlv_{title}-{person}-{channel}",
        to=of(person),
        received_ms=1,
        content={field: title},
        raw=b"",
        answer="ok",
        taken=True,
    )


def status(delivery: str, state: str) -> Received:
    body = msgspec.json.encode({"data": {"statuses": [{"delivery": delivery, "state": state}]}})
    plain = message("", ANA, "webhook", "stw_1")
    return msgspec.structs.replace(
        plain, to=f"http://127.0.0.1:1{STATUS_PATH}", raw=b"head\r\n\r\n" + body
    )


class Told:
    """What agrees, to be spoiled."""

    def __init__(self, path: Path) -> None:
        self.history = History(path)
        self.history.sending(
            [
                Sent("ok", "shop.paid", (ANA, SILENT, DOOMED), known="ok"),
                Sent("perhaps", "shop.alarm", (ANA,)),
                Sent("refused", "shop.alarm", (ANA,), known="fail"),
                Sent("cancelled", "shop.call", (ANA,), key="c", known="ok"),
                Sent("too late", "shop.call", (ANA,), key="l", known="ok"),
                Sent("unread", "shop.unread", (READER,), known="ok"),
            ]
        )
        self.history.close()
        self.history.cancels |= {"c", "l"}
        self.history.cancelled.add("c")
        self.taken = [
            message("ok", ANA, "email"),
            *(message("ok", person, "webhook") for person in (ANA, SILENT, DOOMED)),
        ]
        self.trails = {each.reference: Trail(each.channel, "sent", 1, 0) for each in self.taken}
        self.trails["dlv_failed"] = Trail("email", "failed", 1, 0)
        seen = {ANA: ["ok"], SILENT: ["ok"], DOOMED: ["ok"], READER: ["unread"]}
        self.shown: dict[str, list[dict[str, Any]]] = {
            person: [{"title": title} for title in seen.get(person, ())] for person in PEOPLE
        }

    def wrong(self) -> str:
        return " ".join(compare(self.history, self.taken, self.shown, self.trails))

    def arrives(self, *added: Received, unknown: int = 0) -> None:
        self.taken += added
        for each in added:
            self.trails[each.reference] = Trail(each.channel, "sent", 1 + unknown, unknown)


def test_what_agrees_is_no_violation(tmp_path: Path) -> None:
    told = Told(tmp_path / "h")
    assert told.wrong() == ""
    told.arrives(message("perhaps", ANA, "webhook"), message("too late", ANA, "email"))
    told.arrives(message("unread", READER, "email"))
    told.arrives(message("ok", ANA, "email"), unknown=2)
    assert told.wrong() == ""
    assert counts_of(told.taken, told.trails) == Counts(deliveries=8, unknown=2, repeats=1)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda told: told.taken.pop(0), "got no email about ok"),
        (lambda told: told.taken.pop(), "got no webhook about ok"),
        (lambda told: told.arrives(message("ok", ANA, "email")), "arrived 2 times"),
        (lambda told: told.arrives(message("ok", ANA, "email", "dlv_2")), "got 2 email about ok"),
        (lambda told: told.arrives(message("refused", ANA, "email")), "got 1 email about refused"),
        (lambda told: told.arrives(message("cancelled", ANA, "email")), "got 1 email about canc"),
        (lambda told: told.arrives(message("ok", SILENT, "email")), "got 1 email about ok"),
        (lambda told: told.arrives(message("ok", DOOMED, "email")), "got 1 email about ok"),
        (lambda told: told.arrives(message("ok", PEOPLE[7], "email")), "got 1 email about ok"),
        (lambda told: told.arrives(message("other", ANA, "email")), "got 1 email about other"),
        (lambda told: told.taken.append(message("perhaps", ANA, "email")), "does not know"),
        (lambda told: told.trails.update(x=Trail("email", "sent", 1, 0)), "never arrived"),
        (lambda told: told.trails.update(x=Trail("email", "deferred", 1, 0)), "never settled"),
        (lambda told: told.shown[ANA].clear(), "sees ok 0 times"),
        (lambda told: told.shown[ANA].append({"title": "ok"}), "sees ok 2 times"),
        (lambda told: told.shown[READER].append({"title": "other"}), "sees other, which nobody"),
    ],
)
def test_each_violation_is_found(
    tmp_path: Path, spoil: Callable[[Told], object], complaint: str
) -> None:
    told = Told(tmp_path / "h")
    spoil(told)
    assert complaint in told.wrong()


def test_a_status_that_nobody_heard_is_found() -> None:
    trails = {"dlv_1": Trail("email", "sent", 1, 0)}
    assert untold([status("dlv_1", "sent")], trails) == []
    assert len(untold([status("dlv_1", "failed")], trails)) == 1
