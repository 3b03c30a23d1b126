"""Profile fields that an event carries along, laid over the profile in the order of the log."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from tocsin.app.addresses import AddressBook
from tocsin.app.profile import ProfileInput, with_profile
from tocsin.domain.audience import RecipientTerm
from tocsin.domain.recipient import Recipient
from tocsin.domain.records import Event
from tocsin.errors import RequestRefused


def apply_inline(
    before: Recipient, term: RecipientTerm, event: Event, book: AddressBook
) -> Recipient | None:
    """
    Return the profile with what *term* brings, or None when a newer change stands already.

    A field that cannot be read was refused when the event was accepted; one that this version
    reads differently is left as it was, since the event itself must not be lost for it.
    """
    order = (event.accepted_ms, event.key)
    if order <= before.inline_order:
        return None
    known = {address.channel for address in before.addresses}
    keep = not event.may_change_addresses
    change = ProfileInput(
        name=term.name or UNSET,
        email=UNSET if keep and "email" in known else term.email or UNSET,
        phone=UNSET if keep and "sms" in known else term.phone or UNSET,
        locale=term.locale or UNSET,
        timezone=term.timezone or UNSET,
    )
    try:
        after = with_profile(before, change, book)
    except RequestRefused:
        return None
    return msgspec.structs.replace(after, inline_order=order)
