"""Who is meant: the terms of a call, and how they are written down in an event's record."""

from __future__ import annotations

from typing import Final

import msgspec

from tocsin.domain.conditions import Condition
from tocsin.domain.reading import KEY, Notes, Reader, step_into, text_problem

TERMS_MAX: Final = 10_000
ID_CHARACTERS_MAX: Final = 256
DATA_BYTES_MAX: Final = 65_536
PROFILE_FIELDS: Final = ("name", "email", "phone", "locale", "timezone")
"""The fields of a term that change the profile."""
_RECIPIENT_FIELDS: Final = frozenset({"id", "data", *PROFILE_FIELDS})
_FORMS: Final = 'use an id, {"id": …}, {"group": key}, {"object": {…}} or {"everyone": true}'


class RecipientTerm(msgspec.Struct, frozen=True, array_like=True, tag="recipient", gc=False):
    """One recipient by id; the other fields create or update the profile before deciding."""

    id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    locale: str | None = None
    timezone: str | None = None
    data: bytes | None = None
    """JSON object, hers alone: laid over the event's data for this recipient."""

    @property
    def changes_profile(self) -> bool:
        """Whether the term carries profile fields."""
        return not (
            self.name is None
            and self.email is None
            and self.phone is None
            and self.locale is None
            and self.timezone is None
        )

    def __repr__(self) -> str:
        return "RecipientTerm(…)"


class GroupTerm(msgspec.Struct, frozen=True, array_like=True, tag="group"):
    """The members of a group."""

    key: str


class ObjectTerm(msgspec.Struct, frozen=True, array_like=True, tag="object"):
    """Who subscribed to an object, and whose condition holds."""

    collection: str
    id: str


class EveryoneTerm(msgspec.Struct, frozen=True, array_like=True, tag="everyone"):
    """All recipients."""


Term = RecipientTerm | GroupTerm | ObjectTerm | EveryoneTerm


class Subscription(msgspec.Struct, frozen=True, array_like=True):
    """One recipient's interest in one object, from and until (None: still)."""

    recipient: int
    collection: str
    object_id: str
    when: Condition | None = None
    from_ms: int = 0
    until_ms: int | None = None


def read_terms(value: object, pointer: str = "/recipients") -> tuple[Term, ...]:
    """Read the terms of a call (one, or a list); raises `RequestRefused` with every problem."""
    notes = Notes()
    terms = read_terms_into(value, pointer, notes)
    notes.finish("the recipients cannot be read")
    return terms


def read_terms_into(value: object, pointer: str, notes: Notes) -> tuple[Term, ...]:
    """Do what `read_terms` does, with the problems added to *notes*."""
    if not isinstance(value, list):
        term = _read_term(value, pointer, notes)
        return () if term is None else (term,)
    if len(value) > TERMS_MAX:
        limit = f"at most {TERMS_MAX} terms fit in one event; use a group or several events"
        notes.add(pointer, "too_many", limit)
        return ()
    read = (_read_term(each, step_into(pointer, n), notes) for n, each in enumerate(value))
    return tuple(term for term in read if term is not None)


def _read_term(value: object, pointer: str, notes: Notes) -> Term | None:
    if isinstance(value, str):
        problem = text_problem(value, characters_max=ID_CHARACTERS_MAX)
        if problem is None:
            return RecipientTerm(value)
        notes.add(pointer, *problem)
        return None
    if not isinstance(value, dict):
        notes.add(pointer, "wrong_type", f"this is no recipient; {_FORMS}")
        return None
    if "id" in value:
        return _read_recipient(value, pointer, notes)
    if len(value) != 1:
        notes.add(pointer, "invalid_term", f"exactly one kind of term is needed here; {_FORMS}")
        return None
    return _read_set(value, pointer, notes)


def _read_recipient(value: dict[str, object], pointer: str, notes: Notes) -> Term | None:
    reader = Reader(value, pointer, notes, _RECIPIENT_FIELDS)
    id_ = reader.text("id", characters_max=ID_CHARACTERS_MAX, required=True)
    profile = {name: reader.text(name) for name in PROFILE_FIELDS}
    data = reader.get("data")
    packed = None
    if data is not None:
        packed = msgspec.json.encode(data)
        if not isinstance(data, dict):
            reader.note("data", "wrong_type", "an object is needed here")
        elif len(packed) > DATA_BYTES_MAX:
            reader.note("data", "too_long", f"at most {DATA_BYTES_MAX} bytes are allowed here")
    return None if id_ is None else RecipientTerm(id_, **profile, data=packed)


def _read_set(value: dict[str, object], pointer: str, notes: Notes) -> Term | None:
    reader = Reader(value, pointer, notes, {"group", "object", "everyone", "segment"})
    if "segment" in value:
        reader.note("segment", "not_built", "segments are not there yet; use a group")
        return None
    if "everyone" in value:
        if value["everyone"] is True:
            return EveryoneTerm()
        reader.note("everyone", "invalid_value", "only true is allowed here")
        return None
    if "object" in value:
        return _read_object(value["object"], reader.at("object"), notes)
    key = reader.key("group", required="group" in value)
    return None if key is None else GroupTerm(key)


def _read_object(value: object, pointer: str, notes: Notes) -> Term | None:
    reader = Reader(value, pointer, notes, {"collection", "id"})
    collection = reader.key("collection", required=True)
    id_ = reader.text("id", characters_max=ID_CHARACTERS_MAX, required=True)
    return None if collection is None or id_ is None else ObjectTerm(collection, id_)


def encode_terms(terms: tuple[Term, ...]) -> bytes:
    """Return the JSON text that an event's record carries: the form of a call."""
    return msgspec.json.encode([_show_term(term) for term in terms])


def _show_term(term: Term) -> object:
    match term:
        case RecipientTerm():
            return _show_recipient(term)
        case GroupTerm(key):
            return {"group": key}
        case ObjectTerm(collection, id_):
            return {"object": {"collection": collection, "id": id_}}
        case EveryoneTerm():
            return {"everyone": True}


def _show_recipient(term: RecipientTerm) -> object:
    if term.data is None and not term.changes_profile:
        return term.id
    shown: dict[str, object] = {"id": term.id}
    shown.update((name, getattr(term, name)) for name in PROFILE_FIELDS)
    if term.data is not None:
        shown["data"] = msgspec.Raw(term.data)
    return {name: value for name, value in shown.items() if value is not None}


_decode_any = msgspec.json.Decoder().decode
_decode_ids = msgspec.json.Decoder(list[str]).decode


def decode_terms(text: bytes) -> tuple[Term, ...]:
    """Read what `encode_terms` wrote; it was checked when the event was accepted."""
    if b"{" not in text:
        return tuple(map(RecipientTerm, _decode_ids(text)))
    return read_terms(_decode_any(text))


def single_recipient(terms: tuple[Term, ...]) -> str | None:
    """Return the id when *terms* name exactly one recipient by id: the event's key then."""
    if len(terms) == 1 and isinstance(terms[0], RecipientTerm):
        return terms[0].id
    return None


def usable_id(value: object) -> str | None:
    """Return the id that a value of an event's data stands for, or None for what is no id."""
    if type(value) is int:
        value = str(value)
    if isinstance(value, str) and text_problem(value, characters_max=ID_CHARACTERS_MAX) is None:
        return value
    return None


def usable_key(value: object) -> str | None:
    """Return the key of a group or collection that a value stands for, or None."""
    found = usable_id(value)
    return found if found is not None and KEY.match(found) else None
