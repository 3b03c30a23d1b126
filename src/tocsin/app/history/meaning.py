"""Who was meant: the audience step looked up again, as of the time of the decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from tocsin.app.routing.audiences import AudienceStep as AudienceReader
from tocsin.app.routing.inputs import Input, Run, data_of
from tocsin.domain.audience import (
    EveryoneTerm,
    GroupTerm,
    ObjectTerm,
    RecipientTerm,
    Term,
    decode_terms,
)
from tocsin.domain.conditions import compile_condition
from tocsin.domain.explain import AudienceStep
from tocsin.domain.recipient import Recipient
from tocsin.domain.rules import Path, RuleTerm
from tocsin.domain.workflow import Workflow
from tocsin.ports.state import Audiences, Recipients


class MeaningStep:
    """Says for each term of an audience whether it meant one recipient."""

    def __init__(
        self, audiences: Audiences, reader: AudienceReader, recipients: Recipients
    ) -> None:
        self._audiences = audiences
        self._recipients = recipients
        self._reader = reader

    async def __call__(
        self, entry: Input, workflow: Workflow, who: tuple[str, Recipient | None], at_ms: int
    ) -> list[AudienceStep]:
        """Return a step for each term of the call or of the workflow's rule, then exclusions."""
        event = entry.event
        assert event is not None
        terms = self._reader.terms(entry, Run(workflow, 0))
        places = [] if event.audience is not None else _places(workflow, terms)
        if event.audience is None and workflow.audience is not None and not terms:
            return [_found_nothing(rule) for rule in workflow.audience]
        found = [
            await self._term(term, place or "", entry, who, at_ms)
            for term, place in zip_longest(terms, places[: len(terms)])
        ]
        if event.exclude is not None:
            for term in decode_terms(event.exclude):
                step = await self._term(term, "", entry, who, at_ms)
                if step.member:
                    found.append(AudienceStep(True, step.by, step.rule, step.detail, True))
        return _nearest(found)

    async def _term(
        self,
        term: Term,
        place: str,
        entry: Input,
        who: tuple[str, Recipient | None],
        at_ms: int,
    ) -> AudienceStep:
        id, recipient = who
        number = recipient.number if recipient is not None else None
        match term:
            case RecipientTerm():
                by = "path" if place else "recipient"
                rule = f"{place} = {term.id!r}" if place else f"{term.id!r} named in the call"
                return AudienceStep(term.id == id, by, rule)
            case GroupTerm(key=key):
                member = number is not None and number in await self._audiences.members_at(
                    key, at_ms, [number]
                )
                detail = "was a member then" if member else "was no member then"
                return AudienceStep(member, "group", key, detail)
            case ObjectTerm(collection=collection, id=object_id):
                return await self._subscription(collection, object_id, number, entry, at_ms)
            case EveryoneTerm():
                known = await self._existed(recipient, at_ms)
                return AudienceStep(known, "everyone", "", "" if known else "did not exist then")

    async def _existed(self, recipient: Recipient | None, at_ms: int) -> bool:
        if recipient is None or recipient.erased:
            return False
        return await self._recipients.version_at(recipient.number, at_ms) is not None

    async def _subscription(
        self, collection: str, object_id: str, number: int | None, entry: Input, at_ms: int
    ) -> AudienceStep:
        rule = f"{collection}/{object_id}"
        found = await self._audiences.subscribers_at(collection, object_id, at_ms)
        mine = next((each for each in found if each.recipient == number), None)
        if mine is None:
            return AudienceStep(False, "object", rule, "had no subscription then")
        if mine.when is None:
            return AudienceStep(True, "object", rule, "was subscribed then")
        holds = compile_condition(mine.when)({"data": data_of(entry)})
        detail = "was subscribed, and the condition held" if holds else "the condition did not hold"
        return AudienceStep(holds, "object", rule, detail)


def _places(workflow: Workflow, terms: Sequence[Term]) -> list[str]:
    """Name the path that each term came from; one path may have led to several."""
    rules = workflow.audience or ()
    places = [_place(rule) for rule in rules]
    if len(rules) == 1:
        return places * len(terms)
    return places if len(rules) == len(terms) else []


def _place(rule: RuleTerm) -> str:
    paths = [value for value in rule.values.values() if isinstance(value, Path)]
    return ".".join(("data", *paths[0].parts)) if paths else ""


def _found_nothing(rule: RuleTerm) -> AudienceStep:
    return AudienceStep(False, "path", _place(rule), "names nobody in the event's data")


def _nearest(steps: Iterable[AudienceStep]) -> list[AudienceStep]:
    """Keep what decided: a call may name thousands, and one of them is asked about."""
    found = list(steps)
    inside = [step for step in found if step.member]
    others = [step for step in found if not step.member]
    named = [step for step in others if step.by in ("recipient", "path")]
    if len(named) > 1:
        first = AudienceStep(False, "recipient", f"{len(named)} others by id")
        others = [first, *(step for step in others if step not in named)]
    return inside or others
