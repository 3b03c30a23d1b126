"""Who is meant by each run: from terms to recipients, or to a fan-out when they are many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

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
from tocsin.domain.rules import AudienceRule, Path, resolve
from tocsin.ports.state import Audiences

_MEMBERS_PAGE = 10_000


NOBODY: Final = FrozenBitMap()


class Resolved:
    """A run's audience: named recipients, and numbers out of groups, objects and everyone."""

    __slots__ = ("many", "named", "numbers")

    def __init__(self, named: list[RecipientTerm]) -> None:
        self.named = named
        self.numbers: AbstractBitMap = NOBODY
        self.many = False
        """Whether everyone is meant, whatever the count."""


class AudienceStep:
    """Finds the audience of runs."""

    def __init__(self, audiences: Audiences) -> None:
        self._audiences = audiences
        self._reads_data: dict[tuple[str, int], bool] = {}

    def terms(self, entry: Input, run: Run) -> tuple[Term, ...]:
        """Return the terms of the call, or those that the workflow's rule finds in the data."""
        event = entry.event
        assert event is not None
        if event.audience is not None:
            return decode_terms(event.audience)
        rule = run.workflow.audience
        if rule is None:
            return ()
        version = (run.workflow.key, run.workflow.version)
        reads_data = self._reads_data.get(version)
        if reads_data is None:
            reads_data = self._reads_data[version] = _reads_data(rule)
        return resolve(rule, data_of(entry) if reads_data else EMPTY_OBJECT)

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


def _reads_data(rule: AudienceRule) -> bool:
    return any(isinstance(value, Path) for term in rule for value in term.values.values())
