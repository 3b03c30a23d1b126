"""The cases by name, in the order in which they run."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bench.cases.deep import deep
from bench.cases.email import email
from bench.cases.everyone import everyone
from bench.cases.idle import idle
from bench.cases.live import capacity, live, peak, single, social
from bench.cases.pressure import lanes, overload
from bench.cases.push import push, webpush
from bench.cases.receipts import receipts
from bench.cases.sockets import sockets
from bench.cases.spread import spread
from bench.cases.timers import timers
from bench.cases.webhook import webhook
from bench.lab import Lab
from bench.report import Result

_CASES = (
    *(idle, live, capacity, social, peak, single, spread, everyone),
    *(lanes, overload, sockets, deep, email, webhook, push, webpush, timers, receipts),
)

CASES: Mapping[str, Callable[[Lab], Result]] = MappingProxyType(
    {case.__name__: case for case in _CASES}
)

UNSEEDED = frozenset({"idle", "email", "webhook", "push", "webpush", "timers", "receipts"})
"""Cases that need nobody who was stored before."""
