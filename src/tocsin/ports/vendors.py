"""The vendors of a sandbox: all simulators together, in this process or in one of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tocsin.ports.simulator import Action, Faults, Received


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which messages: all that is given must fit.

    ``to`` is an address or a reference; ``recipient`` the dense number of whom the reference is
    about; ``since_ms`` the earliest arrival.
    """

    channel: str | None = None
    provider: str | None = None
    to: str | None = None
    recipient: int | None = None
    since_ms: int | None = None
    limit: int = 100


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """
    One vendor of a sandbox, and what can be turned and done there.

    ``codes`` are the errors that faults may name, each with what it amounts to
    (`tocsin.ports.simulator.Dial`); ``actions`` what a person can do with a message. ``silence``
    says why there are none, where there are none.
    """

    provider: str
    channel: str
    codes: Mapping[str, str]
    actions: tuple[str, ...]
    silence: str
    faults: Faults


class Vendors(Protocol):
    """
    What people see and turn in a sandbox; every implementation passes
    ``tests/contract/test_vendors.py``.

    *Durable*: what a vendor has taken is kept over the end of any process, faults are not. *Away*:
    where they run in a process of their own, everything may raise `tocsin.errors.Unavailable`.
    """

    async def messages(self, wanted: Wanted) -> Sequence[Received]:
        """Return what arrived, newest first, of every vendor."""

    async def message(self, id: str) -> Received:
        """Return one; raises `NotFound`."""

    async def played(self) -> Sequence[Played]:
        """Return every vendor that is played."""

    async def act(self, id: str, action: Action, words: str = "") -> str:
        """
        Do as a person, or her provider, would; the vendor has reported it when this returns.

        *words* are a reply's text, or the keys that are pressed. Returns what the person is
        answered, such as what a call says after a key; mostly nothing.

        Raises `NotFound` for a message that is not there, `Conflict` where the vendor reports no
        such thing or the server refuses it, and `Unavailable` while no server takes receipts.
        """

    async def faults(self, provider: str) -> Faults:
        """Return what goes wrong at a vendor; raises `NotFound` for one that is not played."""

    async def set_faults(self, provider: str, faults: Faults) -> Faults:
        """Let this go wrong from now on; raises as above, and `RequestRefused`."""

    async def report_to(self, url: str) -> None:
        """Say at which address the server takes receipts, from now on."""

    async def tell_time(self, offset_ms: int) -> None:
        """
        Say how far the sandbox's time is ahead of the machine's: what arrives is dated by that.

        Said again whenever the clock was moved.
        """
