"""
The link that acknowledges: signed, and harmless to look at.

Whoever follows it sees a page with one button. Scanners of mails and chats follow every link, so
only the button's POST acknowledges.
"""

from __future__ import annotations

import hmac
from html import escape
from typing import Final
from urllib.parse import parse_qs, urlencode

from tocsin.errors import Malformed, Unauthenticated
from tocsin.ports.receipts import Callback, Reading, Receipt, ReceiptState, Response

_PRESSED: Final = b"acknowledge=1"
_PAGE: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="robots" content="noindex">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
    "<body><main>{main}</main></body></html>"
)
_FORM: Final = (
    '<form method="post"><button name="acknowledge" value="1" autofocus>{label}</button></form>'
)


def link(base: str, reference: str, secret: str) -> str:
    """Return the URL at which *reference* is acknowledged."""
    return f"{base}?{urlencode({'ref': reference, 'sig': signature(reference, secret)})}"


def signature(reference: str, secret: str) -> str:
    """Return what proves that the link is ours."""
    return hmac.new(secret.encode(), b"acknowledge:" + reference.encode(), "sha256").hexdigest()


def read(callback: Callback, secret: str, label: str, done: str) -> Reading:
    """
    Show the page, or read that its button was pressed.

    Raises `Unauthenticated` for a link that is not ours, and `Malformed`.
    """
    reference = _reference(callback, secret)
    if callback.method == "GET":
        form = _FORM.format(label=escape(label))
        return Reading(response=_page(label, form))
    if callback.body.strip() != _PRESSED:
        raise Malformed("the form of the page is needed")
    receipt = Receipt(reference, ReceiptState.ACKNOWLEDGED, "teams_link", callback.received_ms)
    return Reading([receipt], response=_page(done, f"<p>✓ {escape(done)}</p>"))


def _reference(callback: Callback, secret: str) -> str:
    try:
        given = parse_qs(callback.query, max_num_fields=10)
        (reference,), (sig,) = given["ref"], given["sig"]
    except (KeyError, ValueError):
        raise Unauthenticated("the link is not whole") from None
    if not hmac.compare_digest(
        sig.encode("utf-8", "replace"), signature(reference, secret).encode()
    ):
        raise Unauthenticated("the link is not ours")
    return reference


def _page(title: str, main: str) -> Response:
    page = _PAGE.format(title=escape(title), main=main)
    return Response(200, "text/html; charset=utf-8", page.encode())
