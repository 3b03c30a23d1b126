"""
The state store: what people configured, and what may race.

Every implementation passes the suites ``tests/contract/test_state_*.py``. Common to all ports here:

*Durable*: a method that writes has been made durable when it returns, but for those whose name
begins with ``claim`` and for `Recipients.put`: they promise that **no log commit submitted after
they returned becomes durable unless they do**. On one engine they are queued ahead of it; on
several they wait for durability. *Twice*: a write is keyed by ids that its caller carries, so a
repeat changes nothing. *Away*: raises `tocsin.errors.Unavailable` and nothing was done, or it is
not known; repeat.
"""

from __future__ import annotations

from tocsin.ports.state.audiences import Audiences
from tocsin.ports.state.claims import Claim, Claims, Tombstone
from tocsin.ports.state.dead_letters import DeadLetters
from tocsin.ports.state.deduplication import Deduplication
from tocsin.ports.state.erasures import Erasure, Erasures
from tocsin.ports.state.fanouts import Fanout, Fanouts
from tocsin.ports.state.idempotency import Idempotency, StoredAnswer
from tocsin.ports.state.keys import ApiKey, Keys
from tocsin.ports.state.orphans import Orphans
from tocsin.ports.state.pauses import PauseRows
from tocsin.ports.state.recipients import Recipients
from tocsin.ports.state.standings import StandingMessage, Standings
from tocsin.ports.state.status_webhooks import StatusWebhooks
from tocsin.ports.state.suppressions import Lifted, Suppression, Suppressions
from tocsin.ports.state.timers import Timer, Timers
from tocsin.ports.state.trail import Change, Trail
from tocsin.ports.state.waits import Wait, Waits, Watched
from tocsin.ports.state.workflows import StoredWorkflow, Workflows

__all__ = [
    "ApiKey",
    "Audiences",
    "Change",
    "Claim",
    "Claims",
    "DeadLetters",
    "Deduplication",
    "Erasure",
    "Erasures",
    "Fanout",
    "Fanouts",
    "Idempotency",
    "Keys",
    "Lifted",
    "Orphans",
    "PauseRows",
    "Recipients",
    "StandingMessage",
    "Standings",
    "StatusWebhooks",
    "StoredAnswer",
    "StoredWorkflow",
    "Suppression",
    "Suppressions",
    "Timer",
    "Timers",
    "Tombstone",
    "Trail",
    "Wait",
    "Waits",
    "Watched",
    "Workflows",
]
