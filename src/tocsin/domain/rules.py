"""A workflow's audience rule: terms whose values are literals or paths into the event's data."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tocsin.domain.audience import (
    PROFILE_FIELDS,
    EveryoneTerm,
    GroupTerm,
    ObjectTerm,
    RecipientTerm,
    Term,
    read_terms_into,
    usable_id,
    usable_key,
)
from tocsin.domain.paths import PATH, PATH_RULE, lookup
from tocsin.domain.reading import Notes, Reader, step_into, text_problem

TERMS_IN_RULE_MAX: Final = 100
FOUND_MAX: Final = 10_000
"""A list in an event's data is taken up to here; the event's size is the real bound."""


class Path(msgspec.Struct, frozen=True, array_like=True, tag="path"):
    """A place below the event's data: ``data.customer_id`` is ``("customer_id",)``."""

    parts: tuple[str, ...]


Value = str | Path


class RuleTerm(msgspec.Struct, frozen=True, array_like=True):
    """
    One term: ``kind`` is recipient, group, object or everyone; ``values`` by field name.

    A recipient's fields are ``id`` and the profile's; a group's is ``key``; an object's are
    ``collection`` and ``id``.
    """

    kind: str
    values: dict[str, Value]


AudienceRule = tuple[RuleTerm, ...]


def read_rule(value: object, pointer: str, notes: Notes) -> AudienceRule:
    """Read a workflow's audience rule; what is wrong goes to *notes*."""
    items = value if isinstance(value, list) else [value]
    if len(items) > TERMS_IN_RULE_MAX:
        notes.add(pointer, "too_many", f"at most {TERMS_IN_RULE_MAX} terms are allowed in a rule")
        return ()
    found = []
    for number, item in enumerate(items):
        place = step_into(pointer, number) if isinstance(value, list) else pointer
        term = _read_term(item, place, notes)
        if term is not None:
            found.append(term)
    return tuple(found)


def _read_term(value: object, pointer: str, notes: Notes) -> RuleTerm | None:
    if isinstance(value, dict) and set(value) == {"path"}:
        path = _read_value(value, pointer, notes)
        return None if path is None else RuleTerm("recipient", {"id": path})
    if not _holds_path(value):
        terms = read_terms_into(value, pointer, notes)
        return _literal(terms[0]) if terms else None
    assert isinstance(value, dict)
    if "id" in value:
        reader = Reader(value, pointer, notes, {"id", *PROFILE_FIELDS})
        return _term("recipient", reader, ("id", *PROFILE_FIELDS))
    if "object" in value and len(value) == 1:
        inner = Reader(value["object"], step_into(pointer, "object"), notes, {"collection", "id"})
        return _term("object", inner, ("collection", "id"))
    if "group" in value and len(value) == 1:
        key = _read_value(value["group"], step_into(pointer, "group"), notes)
        return None if key is None else RuleTerm("group", {"key": key})
    notes.add(pointer, "invalid_term", "a path can stand for an id, a group's key or an object")
    return None


def _holds_path(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    return "path" in value or any(_holds_path(each) for each in value.values())


def _term(kind: str, reader: Reader, names: tuple[str, ...]) -> RuleTerm | None:
    read = {
        name: _read_value(reader.get(name), reader.at(name), reader.notes)
        for name in names
        if reader.get(name) is not None
    }
    values = {name: value for name, value in read.items() if value is not None}
    needed = {"id"} if kind == "recipient" else set(names)
    for name in sorted(needed - set(read)):
        reader.note(name, "missing", f"{name} is needed")
    return RuleTerm(kind, values) if needed <= set(values) else None


def _read_value(value: object, pointer: str, notes: Notes) -> Value | None:
    if isinstance(value, str):
        problem = text_problem(value)
        if problem is None:
            return value
        notes.add(pointer, *problem)
        return None
    text = Reader(value, pointer, notes, {"path"}).text("path", required=True)
    if text is None:
        return None
    root, *parts = text.split(".")
    if PATH.match(text) and root == "data" and parts:
        return Path(tuple(parts))
    notes.add(step_into(pointer, "path"), "invalid_path", f"{PATH_RULE}; it begins with data")
    return None


def _literal(term: Term) -> RuleTerm:
    match term:
        case RecipientTerm():
            given = {name: getattr(term, name) for name in ("id", *PROFILE_FIELDS)}
            return RuleTerm("recipient", {n: v for n, v in given.items() if v is not None})
        case GroupTerm(key):
            return RuleTerm("group", {"key": key})
        case ObjectTerm(collection, id_):
            return RuleTerm("object", {"collection": collection, "id": id_})
        case EveryoneTerm():
            return RuleTerm("everyone", {})


def show_rule(rule: AudienceRule) -> object:
    """Return the document that `read_rule` reads as *rule*."""
    shown = [_show_term(term) for term in rule]
    return shown[0] if len(shown) == 1 else shown


def _show_term(term: RuleTerm) -> object:
    values = {name: _show_value(value) for name, value in term.values.items()}
    if term.kind == "recipient":
        return values["id"] if len(values) == 1 else values
    if term.kind == "group":
        return {"group": values["key"]}
    return {"object": values} if term.kind == "object" else {"everyone": True}


def _show_value(value: Value) -> object:
    return value if isinstance(value, str) else {"path": ".".join(("data", *value.parts))}


def resolve(rule: AudienceRule, data: object) -> tuple[Term, ...]:
    """
    Return the terms that *rule* finds in the event's *data*.

    A path leads to a string, a whole number, or a list of them; what is missing or something else
    yields no term, so that an audience may come out empty.
    """
    if len(rule) == 1:
        term = rule[0]
        if term.kind == "recipient" and len(term.values) == 1:
            return _resolve_ids(term.values["id"], data)
        return tuple(_resolve_term(term, data))
    return tuple(found for term in rule for found in _resolve_term(term, data))


def _resolve_ids(value: Value, data: object) -> tuple[Term, ...]:
    return recipients_in(value if isinstance(value, str) else lookup(data, value.parts))


def only_path(rule: AudienceRule) -> Path | None:
    """Return the path of a rule that does nothing but name recipients by one, as nearly all do."""
    if len(rule) != 1 or rule[0].kind != "recipient" or len(rule[0].values) != 1:
        return None
    value = rule[0].values["id"]
    return value if isinstance(value, Path) else None


def recipients_in(found: object) -> tuple[Term, ...]:
    """Return the terms of the recipients that a value names, which a path led to."""
    if type(found) is str:
        id_ = usable_id(found)
        return () if id_ is None else (RecipientTerm(id_),)
    ids = (usable_id(each) for each in _several(found))
    return tuple(RecipientTerm(id_) for id_ in ids if id_ is not None)


def _resolve_term(term: RuleTerm, data: object) -> list[Term]:
    if term.kind == "recipient":
        return _resolve_recipient(term, data)
    if term.kind == "everyone":
        return [EveryoneTerm()]
    if term.kind == "group":
        keys = (usable_key(each) for each in _found(term.values["key"], data))
        return [GroupTerm(key) for key in keys if key is not None]
    collections = [usable_key(each) for each in _found(term.values["collection"], data)]
    ids = [usable_id(each) for each in _found(term.values["id"], data)]
    if len(collections) != 1 or collections[0] is None:
        return []
    return [ObjectTerm(collections[0], id_) for id_ in ids if id_ is not None]


def _resolve_recipient(term: RuleTerm, data: object) -> list[Term]:
    found = (usable_id(each) for each in _found(term.values["id"], data))
    ids = [id_ for id_ in found if id_ is not None]
    if len(term.values) == 1 or len(ids) != 1:
        # Several ids cannot share one person's name and addresses.
        return [RecipientTerm(id_) for id_ in ids]
    profile: dict[str, Any] = {}
    for name in PROFILE_FIELDS:
        value = _found(term.values[name], data) if name in term.values else []
        if len(value) == 1 and isinstance(value[0], str) and text_problem(value[0]) is None:
            profile[name] = value[0]
    return [RecipientTerm(ids[0], **profile)]


def _found(value: Value, data: object) -> list[object]:
    if isinstance(value, str):
        return [value]
    return _several(lookup(data, value.parts))


def _several(found: object) -> list[object]:
    return found[:FOUND_MAX] if isinstance(found, list) else [found]
