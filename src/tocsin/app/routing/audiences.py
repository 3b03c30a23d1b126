"""Who is meant by each run: from terms to recipients, or to a fan-out when they are many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from pyroaring import AbstractBitMap, BitMap, FrozenBitMap

from tocsin.app.routing.inputs import EMPTY_OBJECT, Input, Run, data_of
from tocsin.domain.audience import (
    EveryoneTerm,
    GroupTerm,
    ObjectTerm,
    RecipientTerm,
    Term,
    decode_terms,
)
from tocsin.domain.conditions import compile_condition
from tocsin.domain.paths import path_reader
from tocsin.domain.records import Event
from tocsin.domain.rules import AudienceRule, Path, only_path, recipients_in, resolve
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Audiences

_MEMBERS_PAGE = 10_000


TermsOf = Callable[[Input], tuple[Term, ...]]
NOBODY: Final = FrozenBitMap()


class Resolved(msgspec.Struct, eq=False, gc=False):
    """A run's audience: named recipients, and numbers out of groups, objects and everyone."""

    named: list[RecipientTerm]
    numbers: AbstractBitMap = NOBODY
    many: bool = False
    """Whether everyone is meant, whatever the count."""


class AudienceStep:
    """Finds the audience of runs."""

    def __init__(self, audiences: Audiences) -> None:
        self._audiences = audiences
        self._readers: dict[tuple[str, int], TermsOf] = {}

    def terms(self, entry: Input, run: Run) -> tuple[Term, ...]:
        """Return the terms of the call, or those that the workflow's rule finds in the data."""
        event = entry.event
        assert event is not None
        if event.audience is not None:
            return decode_terms(event.audience)
        if event.content is not None:
            # Sent by hand: all of these are called the same, whatever they are.
            return _reader(run.workflow)(entry)
        version = (run.workflow.key, run.workflow.version)
        read = self._readers.get(version)
        if read is None:
            read = self._readers[version] = _reader(run.workflow)
        return read(entry)

    async def resolve(self, terms: Sequence[Term], entry: Input) -> Resolved:
        """Look up groups, objects and everyone. Named recipients are left to `PeopleStep`."""
        found = Resolved([])
        for term in terms:
            match term:
                case RecipientTerm():
                    found.named.append(term)
                case GroupTerm(key=key):
                    found.numbers = found.numbers | await self._members(key)
                case ObjectTerm(collection=collection, id=object_id):
                    found.numbers = found.numbers | await self._subscribers(
                        collection, object_id, entry
                    )
                case EveryoneTerm():
                    found.numbers = found.numbers | await self._audiences.everyone()
                    found.many = True
        return found

    @staticmethod
    def named(terms: tuple[Term, ...]) -> Resolved | None:
        """Return the audience when *terms* only name recipients, so that nothing is looked up."""
        for term in terms:
            if type(term) is not RecipientTerm:
                return None
        return Resolved(list(terms))  # type: ignore[arg-type]  # all were just looked at

    async def excluded(self, entry: Input) -> tuple[set[str], AbstractBitMap]:
        """Return the ids and numbers that the call leaves out."""
        event = entry.event
        if event is None or event.exclude is None:
            return set(), NOBODY
        found = await self.resolve(decode_terms(event.exclude), entry)
        return {term.id for term in found.named}, found.numbers

    async def _members(self, key: str) -> BitMap:
        members = BitMap()
        after = 0
        while page := await self._audiences.members(key, after=after, limit=_MEMBERS_PAGE):
            members.update(page)
            after = page[-1]
        return members

    async def _subscribers(self, collection: str, object_id: str, entry: Input) -> BitMap:
        subscriptions = await self._audiences.subscribers(collection, object_id)
        if not any(each.when for each in subscriptions):
            return BitMap(each.recipient for each in subscriptions)
        context = {"data": data_of(entry)}
        return BitMap(
            each.recipient
            for each in subscriptions
            if each.when is None or compile_condition(each.when)(context)
        )


def ids(terms: Iterable[RecipientTerm]) -> list[str]:
    """Return the ids of *terms*, each once, in order."""
    return list(dict.fromkeys(term.id for term in terms))


def _reader(workflow: Workflow) -> TermsOf:
    """Return how to find whom the workflow's rule names: each reads only what it needs."""
    rule = workflow.audience
    if rule is None:
        return lambda _: ()
    path = only_path(rule)
    if path is not None and not _needs_data(workflow):
        find = path_reader(path.parts)
        return lambda entry: recipients_in(find(_event_of(entry).data))
    if _reads_data(rule):
        return lambda entry: resolve(rule, data_of(entry))
    literal = resolve(rule, EMPTY_OBJECT)
    return lambda _: literal


def _needs_data(workflow: Workflow) -> bool:
    """Return whether routing decodes an event's data in any case."""
    return workflow.check_data is not None or workflow.in_inbox


def _event_of(entry: Input) -> Event:
    assert entry.event is not None
    return entry.event


def _reads_data(rule: AudienceRule) -> bool:
    return any(isinstance(value, Path) for term in rule for value in term.values.values())
