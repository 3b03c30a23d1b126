"""Addresses as the wire takes them (RFC 5321, 6531)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

import email_validator

# What nearly every address looks like; the library takes a hundred times as long. It may refuse
# some of these all the same, names of machines such as `localhost` among them, which do no harm.
_PLAIN: Final = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
    r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]\Z",
    re.ASCII,
)
_CHARACTERS_MAX: Final = 254
_LOCAL_CHARACTERS_MAX: Final = 64


class Wire(NamedTuple):
    """An address for the envelope: ``utf8`` when its local part needs SMTPUTF8."""

    text: str
    utf8: bool


def normal_address(address: str) -> str | None:
    """Return *address* in its normal form, or None when no letter could go there."""
    if _PLAIN.match(address) is not None and _fits(address):
        return address
    return _checked(address)[0]


def wire_address(address: str) -> Wire | None:
    """Return *address* with its domain in ASCII (IDNA), or None when no letter could go there."""
    if _PLAIN.match(address) is not None and _fits(address):
        return Wire(address, False)
    return _checked(address)[1]


def _fits(address: str) -> bool:
    return len(address) <= _CHARACTERS_MAX and address.index("@") <= _LOCAL_CHARACTERS_MAX


@lru_cache(maxsize=1_024)
def _checked(address: str) -> tuple[str | None, Wire | None]:
    try:
        # Whether its domain takes letters is found out by sending. `.test` is for trying out.
        found = email_validator.validate_email(
            address, check_deliverability=False, test_environment=True, strict=True
        )
    except email_validator.EmailNotValidError:
        return None, None
    wire = f"{found.local_part}@{found.ascii_domain}"
    return found.normalized, Wire(wire, not wire.isascii())
