"""Letters for vendors that take several in one call, if these differ in little."""

from __future__ import annotations

import asyncio
from collections import Counter
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
    outcomes, letters = _outlined(messages, sender)
    groups = list(_groups(letters.items(), size))
    results = await asyncio.gather(*(call([letters[n] for n in group]) for group in groups))
    for group, result in zip(groups, results, strict=True):
        outcomes.update(zip(group, result, strict=True))
    return [outcomes[place] for place in range(len(messages))]


async def send_together(
    messages: Sequence[Message], sender: Sender, call: Call
) -> Sequence[ProviderOutcome]:
    """Make one *call* for all *messages*, whatever each says; return outcomes in order."""
    outcomes, letters = _outlined(messages, sender)
    if letters:
        outcomes.update(zip(letters, await call(list(letters.values())), strict=True))
    return [outcomes[place] for place in range(len(messages))]


async def send_halves(letters: Sequence[Outline], call: Call) -> Sequence[ProviderOutcome]:
    """Make a *call* for each half of *letters*, where all were refused and nobody says for whom."""
    half = len(letters) // 2
    first, second = await asyncio.gather(call(letters[:half]), call(letters[half:]))
    return [*first, *second]


def _outlined(
    messages: Sequence[Message], sender: Sender
) -> tuple[dict[int, ProviderOutcome], dict[int, Outline]]:
    """Return, by their places, what cannot become a letter and what can."""
    refused: dict[int, ProviderOutcome] = {}
    letters: dict[int, Outline] = {}
    for place, message in enumerate(messages):
        try:
            letters[place] = outline(message, sender)
        except BadLetter as bad:
            refused[place] = unwritten(bad)
    return refused, letters


def _groups(letters: Iterable[tuple[int, Outline]], size: int) -> Iterator[list[int]]:
    """Yield places of letters that are alike, none with the same reader twice."""
    open_: dict[Hashable, list[int]] = {}
    seen: Counter[Hashable] = Counter()
    for place, letter in letters:
        alike = letter.alike()
        before = seen[alike, letter.to]
        seen[alike, letter.to] += 1
        group = open_.setdefault((alike, before), [])
        group.append(place)
        if len(group) == size:
            yield open_.pop((alike, before))
    yield from open_.values()
