"""The closed list of verdicts and reason codes. A code is never renamed or used again."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final


class Verdict(IntEnum):
    """What was decided about one delivery; the numbers are stored."""

    SEND = 0
    SUPPRESS = 1
    DEFER = 2
    EXPIRE = 3
    CANCEL = 4


class Reason(StrEnum):
    """Why; each belongs to one verdict."""

    SEND = "send"
    WORKFLOW_INACTIVE = "workflow_inactive"
    INVALID_DATA = "invalid_data"
    RENDER_FAILED = "render_failed"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    ERASED = "erased"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPPRESSION_LIST = "suppression_list"
    OPTED_OUT = "opted_out"
    OFF_BY_DEFAULT = "off_by_default"
    CHANNEL_NOT_CONFIGURED = "channel_not_configured"
    NO_ADDRESS = "no_address"
    ADDRESS_UNVERIFIED = "address_unverified"
    ADDRESS_DEAD = "address_dead"
    ADDRESS_DISABLED = "address_disabled"
    """An endpoint that failed for too long is not called until somebody enables it again."""
    IN_QUIET_HOURS = "in_quiet_hours"
    DO_NOT_DISTURB = "do_not_disturb"
    NOT_NEEDED = "not_needed"
    PAUSED = "paused"


class Outcome(StrEnum):
    """What became of an input record as a whole."""

    ROUTED = "routed"
    NO_WORKFLOW = "no_workflow"
    EMPTY_AUDIENCE = "empty_audience"
    SCHEDULED = "scheduled"
    """Of a run: it begins at the time that the call named."""
    ALIAS = "alias"
    POISON = "poison"
    REPEAT = "repeat"
    """A second record of an input that another record owns: counts as nothing."""


UNROUTED: Final = frozenset({Outcome.NO_WORKFLOW, Outcome.EMPTY_AUDIENCE, Outcome.POISON})
