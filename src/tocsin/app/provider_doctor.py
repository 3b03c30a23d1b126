"""What is wrong with a provider, in words that say what to do next."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import urlsplit

import structlog

from tocsin.app.delivering.providers import Played
from tocsin.app.provider_list import ProviderList, Seen
from tocsin.domain.hosts import is_public_host
from tocsin.domain.instants import show_instant
from tocsin.ports.advice import ADVICE
from tocsin.ports.outcomes import ProviderReason
from tocsin.ports.self_check import Finding, SelfCheck, Weight

_CHECK_S: Final = 20.0
_ORDER: Final = (Weight.PROBLEM, Weight.ADVICE, Weight.FINE)
_HEALTHY: Final = Finding(Weight.FINE, "nothing is wrong with it that could be seen from here")

logger = structlog.get_logger(__name__)


class Doctor:
    """Looks at one provider at a time."""

    def __init__(self, providers: ProviderList, *, sandbox: bool) -> None:
        self._providers = providers
        self._sandbox = sandbox

    async def look(self, name: str) -> Sequence[Finding]:
        """
        Return what was found, the worst first; it is never empty.

        Raises `NotFound` for a provider that is not configured.
        """
        seen = self._providers.one(name)
        findings = [
            *_paused(seen),
            *_outdated(seen),
            *_answers(seen),
            *_lanes(seen),
            *_share(seen),
            *self._callbacks(seen),
            *await _own(seen),
        ]
        if seen.wired.played is not None:
            findings += _as_real(seen.name, seen.wired.played)
        if all(each.weight is not Weight.PROBLEM for each in findings):
            findings.append(_HEALTHY)
        return sorted(findings, key=lambda each: _ORDER.index(each.weight))

    def _callbacks(self, seen: Seen) -> Iterator[Finding]:
        if not seen.wired.provider.flags.receipts or self._sandbox:
            return
        url = seen.callback_url
        if url is None:
            yield Finding(
                Weight.PROBLEM,
                "it cannot report what becomes of messages, since nobody has said where",
                "set public_url to the URL at which the vendor reaches this server",
            )
        elif not _is_reachable(url):
            yield Finding(
                Weight.PROBLEM,
                f"its reports would go to {url}, where no vendor can reach this server",
                "set public_url to the https:// URL at which the vendor reaches this server",
            )
        else:
            yield Finding(Weight.FINE, f"its reports go to {url}")


def _as_real(name: str, played: Played) -> Iterator[Finding]:
    """What would have to be done before a real server has it."""
    if not played.configured:
        yield Finding(
            Weight.ADVICE,
            "its vendor is played, and a real server would not have it: nobody has configured it",
            f"make a table [providers.{name}] as its page in the documentation says",
        )
    elif played.lacks:
        yield Finding(
            Weight.ADVICE,
            "its vendor is played, and a real server would not start with it",
            "set what is named here; `tocsin config check` asks for it once the mode is real",
        )
    else:
        yield Finding(
            Weight.ADVICE,
            "its vendor is played: it has all that a real server starts with, and whether its real"
            " credentials hold was not looked at",
            "ask a server in real mode about those",
        )
    for lack in played.lacks:
        yield Finding(Weight.ADVICE, f"for real: {lack}")


def _is_reachable(url: str) -> bool:
    where = urlsplit(url)
    return where.scheme == "https" and is_public_host(where.hostname or "")


def _paused(seen: Seen) -> Iterator[Finding]:
    for id in seen.pauses:
        yield Finding(
            Weight.PROBLEM,
            f"it is paused by {id}",
            f"see why with `tocsin pauses`, and end it with `tocsin resume {id}`",
        )


def _outdated(seen: Seen) -> Iterator[Finding]:
    if seen.wired.outdated is not None:
        yield Finding(
            Weight.PROBLEM,
            "its files cannot be used as they are now, so it goes on with what they held before:"
            f" {seen.wired.outdated}",
            "put right what is named; that is taken within 10 s, without a restart",
        )


def _answers(seen: Seen) -> Iterator[Finding]:
    problem = seen.answers.fails()
    if problem is not None:
        means, do = ADVICE[problem.reason]
        detail = f" ({problem.detail})" if problem.detail else ""
        says = f"its last answer, at {show_instant(problem.at_ms)}, was {problem.reason}{detail}"
        yield Finding(Weight.PROBLEM, f"{says}: {means}", do)
    elif seen.answers.last_accepted_ms is not None:
        at = show_instant(seen.answers.last_accepted_ms)
        yield Finding(Weight.FINE, f"it last took a message at {at}")
    else:
        yield Finding(
            Weight.ADVICE,
            "nothing was sent by it since this server started",
            f"send one message with `tocsin providers test {seen.name} ADDRESS`",
        )


def _lanes(seen: Seen) -> Iterator[Finding]:
    for lane in seen.lanes:
        if lane.open:
            of_hosts = seen.wired.provider.flags.per_host
            what = f"{lane.open} of its hosts are" if of_hosts else "it is"
            until = f" before {show_instant(lane.ready_ms)}" if lane.ready_ms else ""
            yield Finding(
                Weight.PROBLEM,
                f"{what} not called in the lane {lane.lane}{until}, after too many failures",
                "nothing: it is tried again by itself; repair what its last answer names",
            )
        elif lane.ready_ms is not None:
            yield Finding(
                Weight.ADVICE,
                f"it is given nothing in the lane {lane.lane} before {show_instant(lane.ready_ms)},"
                " since it has asked for less or its rate is used up",
                "set rate_per_second to what the vendor has granted, or ask it for more",
            )


def _share(seen: Seen) -> Iterator[Finding]:
    if seen.state is None or seen.state.share == 1:
        return
    calls, slow, failed = seen.state.tally.calls, seen.state.tally.slow, seen.state.tally.failed
    yield Finding(
        Weight.PROBLEM,
        f"it is given {100 * seen.state.share:.0f} % of its part, and others the rest: of its last {calls}"
        f" calls {failed} failed and {slow} were slow",
        "nothing: it is given more by itself once it is well; ask the vendor what is the matter",
    )


async def _own(seen: Seen) -> Sequence[Finding]:
    """Return what the provider finds itself, where it can look."""
    try:
        with seen.wired.lent as provider:
            if not isinstance(provider, SelfCheck):
                return ()
            async with asyncio.timeout(_CHECK_S):
                return await provider.check()
    except TimeoutError:
        return (
            Finding(
                Weight.PROBLEM,
                f"looking whether it works took longer than {_CHECK_S:.0f} s",
                ADVICE[ProviderReason.UNREACHABLE][1],
            ),
        )
    except Exception as error:  # noqa: BLE001  # a folder's mistake must not hide what else is found
        logger.error(
            "provider_check_raised", provider=seen.name, error=type(error).__name__
        )  # not its words, which may hold a credential
        return (
            Finding(
                Weight.PROBLEM,
                f"looking whether it works failed inside: {type(error).__name__}",
                "report this as a fault of Tocsin or of the package that brings the provider",
            ),
        )
