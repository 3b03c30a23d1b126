"""Letters for vendors that take several in one call, if these differ in little."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence

from tocsin.channels.email.writing.letter import BadLetter, Sender
from tocsin.channels.email.writing.outline import Outline, outline
from tocsin.ports.message import Message
from tocsin.ports.outcomes import ProviderOutcome, ProviderReason, Refused

Call = Callable[[Sequence[Outline]], Awaitable[Sequence[ProviderOutcome]]]


def unwritten(bad: BadLetter) -> Refused:
    """Return what it means that a message cannot become a letter."""
    word = str(bad)
    reason = ProviderReason.BAD_ADDRESS if word == "address" else ProviderReason.BAD_CONTENT
    return Refused(reason, f"not written: {word}")


async def send_alike(
    messages: Sequence[Message], sender: Sender, size: int, call: Call
) -> Sequence[ProviderOutcome]:
    """
    Make a *call* for each up to *size* messages that are alike; return outcomes in order.

    The calls are made at the same time, so together they take about as long as one.
    """
    outcomes: dict[int, ProviderOutcome] = {}
    letters: dict[int, Outline] = {}
    for place, message in enumerate(messages):
        try:
            letters[place] = outline(message, sender)
        except BadLetter as bad:
            outcomes[place] = unwritten(bad)
    groups = list(_groups(letters.items(), size))
    results = await asyncio.gather(*(call([letters[n] for n in group]) for group in groups))
    for group, result in zip(groups, results, strict=True):
        outcomes.update(zip(group, result, strict=True))
    return [outcomes[place] for place in range(len(messages))]


def _groups(letters: Iterable[tuple[int, Outline]], size: int) -> Iterator[list[int]]:
    open_: dict[Hashable, list[int]] = {}
    for place, letter in letters:
        alike = letter.alike()
        group = open_.setdefault(alike, [])
        group.append(place)
        if len(group) == size:
            yield open_.pop(alike)
    yield from open_.values()
