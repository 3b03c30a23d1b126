"""Who is meant: the terms of a call, and the rule of a workflow that finds them in the data."""

from __future__ import annotations

import msgspec

from tocsin.domain.conditions import Condition


class RecipientTerm(msgspec.Struct, frozen=True, array_like=True, tag="recipient"):
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


class Path(msgspec.Struct, frozen=True, array_like=True, tag="path"):
    """A place in the event: ``data.customer_id``."""

    parts: tuple[str, ...]


class RuleTerm(msgspec.Struct, frozen=True, array_like=True):
    """
    One term of a workflow's rule: a kind, and its values, each a literal or a path.

    ``kind`` is recipient (one value), group (one), object (collection, id) or everyone (none).
    """

    kind: str
    values: tuple[str | Path, ...] = ()


AudienceRule = tuple[RuleTerm, ...]


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
    raise NotImplementedError


def encode_terms(terms: tuple[Term, ...]) -> bytes:
    """Return the JSON text that an event's record carries."""
    raise NotImplementedError


def decode_terms(text: bytes) -> tuple[Term, ...]:
    """Read what `encode_terms` wrote (also a plain JSON list of ids)."""
    raise NotImplementedError


def read_rule(value: object, pointer: str = "/audience") -> AudienceRule:
    """Read a workflow's audience rule; raises `RequestRefused` with every problem."""
    raise NotImplementedError


def resolve(rule: AudienceRule, data: object) -> tuple[Term, ...]:
    """Return the terms that *rule* finds in the event's *data*; nothing there is no term."""
    raise NotImplementedError


def single_recipient(terms: tuple[Term, ...]) -> str | None:
    """Return the id when *terms* name exactly one recipient by id: the event's key then."""
    raise NotImplementedError
