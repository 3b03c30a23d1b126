"""Providers: how they are set up, how they are, a real test of one, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import shown_time
from tocsin.app.delivering.answers import Problem
from tocsin.app.delivering.health import ProviderState
from tocsin.app.delivering.providers import Played
from tocsin.app.provider_doctor import Doctor
from tocsin.app.provider_list import LaneHealth, ProviderList, Seen
from tocsin.app.provider_tests import ProviderTests, Tested
from tocsin.app.texts import PLAIN
from tocsin.ports.advice import ADVICE
from tocsin.ports.outcomes import Accepted, TryLater
from tocsin.ports.self_check import Finding

Text = Annotated[str, Meta(min_length=1, max_length=2_000)]


class LaneAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One lane: ``breakers_open`` of its breakers are not closed, and nothing goes before ``ready_at``.
    """

    lane: str
    breakers_open: int
    ready_at: str | None


class ProblemAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The last answer that was no acceptance; ``known`` says whether that is certain."""

    at: str | None
    reason: str
    known: bool
    detail: str


class ShareAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    How much of its usual part a provider is given, 0 to 1, and its calls of the last 15 minutes.
    """

    share: float
    calls: int
    slow: int
    failed: int


class PlayedAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    What a real server would say of it: whether it has a table, and what keeps it from starting.
    """

    configured: bool
    lacks: list[str]


class ProviderAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """
    One provider; what it ``accepted`` and its ``problems`` count from the start of this process.

    ``settings`` are those that are not at their default, as a file says them; secrets are hidden.
    ``on_request`` is a vendor that a sandbox plays although nobody has configured it. ``health``
    is None where no other provider could carry what this one does, ``played`` where its vendor is
    the real one. ``outdated`` says what is wrong with its files where it goes on with what they
    held before.
    """

    name: str
    channel: str
    on_request: bool
    settings: dict[str, str]
    batch_max: int
    idempotent: bool
    receipts: bool
    edits: bool
    callback_url: str | None
    lanes: list[LaneAnswer]
    pauses: list[str]
    accepted: int
    problems: dict[str, int]
    last_accepted_at: str | None
    last_problem: ProblemAnswer | None
    health: ShareAnswer | None = None
    played: PlayedAnswer | None = None
    outdated: str | None = None


class ProviderPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """All providers, channel by channel, in the order in which they are tried."""

    items: list[ProviderAnswer]


class TestInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one real message goes, and what it says."""

    address: Annotated[str, Meta(min_length=1, max_length=8_192, pattern=PLAIN)]
    title: Text | None = None
    body: Text | None = None


class TestAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How it ended; ``unknown``: it may have been taken. ``says`` and ``do`` are for people."""

    outcome: Literal["accepted", "later", "refused", "unknown"]
    reference: str
    took_ms: int
    provider_id: str | None
    reason: str | None
    detail: str
    says: str
    do: str


class FindingAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One thing that was looked at, and what to do next."""

    weight: Literal["problem", "advice", "fine"]
    says: str
    do: str


class DoctorAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What was found, the worst first; ``ok`` where none is a problem."""

    name: str
    ok: bool
    findings: list[FindingAnswer]


class ProviderRoutes:
    """Handlers of ``/v1/providers``."""

    def __init__(self, providers: ProviderList, tests: ProviderTests, doctor: Doctor) -> None:
        self._providers = providers
        self._tests = tests
        self._doctor = doctor

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        path = "/v1/providers"
        return (
            Endpoint(
                "GET", path, "List the providers and how they are", self.list, {200: ProviderPage}
            ),
            Endpoint(
                "POST",
                path + "/{name}/test",
                "Send one real message by a provider",
                self.test,
                {200: TestAnswer},
                body=TestInput,
                patient=True,
            ),
            Endpoint(
                "GET",
                path + "/{name}/doctor",
                "Say what is wrong with a provider",
                self.doctor,
                {200: DoctorAnswer},
                patient=True,
            ),
        )

    async def list(self, call: Call) -> Answer:
        """Answer all."""
        return Answer(ProviderPage(items=[_show(each) for each in self._providers.all()]))

    async def test(self, call: Call) -> Answer:
        """Send, and answer what became of it."""
        given = call.body(TestInput)
        name = call.path["name"]
        tested = await self._tests.send(call.by, name, given.address, given.title, given.body)
        return Answer(_show_test(tested))

    async def doctor(self, call: Call) -> Answer:
        """Look, and answer what was found."""
        name = call.path["name"]
        findings = await self._doctor.look(name)
        shown = [_show_finding(each) for each in findings]
        ok = all(each.weight != "problem" for each in shown)
        return Answer(DoctorAnswer(name=name, ok=ok, findings=shown))


def _show(seen: Seen) -> ProviderAnswer:
    flags, answers = seen.wired.provider.flags, seen.answers
    return ProviderAnswer(
        name=seen.name,
        channel=seen.channel,
        on_request=seen.wired.on_request,
        settings=dict(seen.settings),
        batch_max=flags.batch_max,
        idempotent=flags.idempotent,
        receipts=flags.receipts,
        edits=flags.edits,
        callback_url=seen.callback_url,
        lanes=[_show_lane(each) for each in seen.lanes],
        pauses=list(seen.pauses),
        accepted=answers.accepted,
        problems={reason.value: count for reason, count in answers.problems.items()},
        last_accepted_at=shown_time(answers.last_accepted_ms),
        last_problem=_show_problem(answers.last_problem),
        health=_show_state(seen.state),
        played=_show_played(seen.wired.played),
        outdated=seen.wired.outdated,
    )


def _show_played(played: Played | None) -> PlayedAnswer | None:
    if played is None:
        return None
    return PlayedAnswer(configured=played.configured, lacks=list(played.lacks))


def _show_state(state: ProviderState | None) -> ShareAnswer | None:
    if state is None:
        return None
    tally = state.tally
    return ShareAnswer(share=state.share, calls=tally.calls, slow=tally.slow, failed=tally.failed)


def _show_lane(lane: LaneHealth) -> LaneAnswer:
    return LaneAnswer(lane=lane.lane, breakers_open=lane.open, ready_at=shown_time(lane.ready_ms))


def _show_problem(problem: Problem | None) -> ProblemAnswer | None:
    if problem is None:
        return None
    return ProblemAnswer(
        at=shown_time(problem.at_ms),
        reason=problem.reason.value,
        known=problem.known,
        detail=problem.detail,
    )


def _show_test(tested: Tested) -> TestAnswer:
    outcome = tested.outcome
    if isinstance(outcome, Accepted):
        return TestAnswer(
            outcome="accepted",
            reference=tested.reference,
            took_ms=tested.took_ms,
            provider_id=outcome.provider_id,
            reason=None,
            detail="",
            says="the played vendor took it; it has not left this machine"
            if tested.played
            else "the vendor took it; whether it arrives, the address will show",
            do="look at it on the page /sandbox" if tested.played else "",
        )
    says, do = ADVICE[outcome.reason]
    return TestAnswer(
        outcome=_word(outcome.known) if isinstance(outcome, TryLater) else "refused",
        reference=tested.reference,
        took_ms=tested.took_ms,
        provider_id=None,
        reason=outcome.reason.value,
        detail=outcome.detail,
        says=says,
        do=do,
    )


def _word(known: bool) -> Literal["later", "unknown"]:
    return "later" if known else "unknown"


def _show_finding(finding: Finding) -> FindingAnswer:
    return FindingAnswer(weight=finding.weight.value, says=finding.says, do=finding.do)
