"""
``/u/{token}``: the page behind the link in a letter, and the one-click POST (RFC 8058).

Looking at the page changes nothing, since programs that look for dangerous links follow every one
of them. The POST comes from the button on it, or from a mail program that read the letter's
headers; neither brings a cookie or anything else that says who she is.
"""

from __future__ import annotations

import base64
import email
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from tocsin.api.endpoint import ANY_TYPE, Answer, Call, Endpoint
from tocsin.app.leaving import LEAVE_PATH, Leave, Leaving
from tocsin.errors import NotFound, RequestRefused, TooLarge

_PATH: Final = LEAVE_PATH + "{token}"
_HTML: Final = "text/html; charset=utf-8"
_FIELD: Final = "List-Unsubscribe"
_VALUE: Final = "One-Click"
_BODY_BYTES_MAX: Final = 4_096

_STYLE: Final = (
    ":root{color-scheme:light dark;--page:#f3f4f6;--card:#fff;--text:#1d2026;--soft:#5b616e;"
    "--go:#1d4ed8;--on-go:#fff}"
    "@media(prefers-color-scheme:dark){:root{--page:#16181d;--card:#1f2229;--text:#e8e9ec;"
    "--soft:#a0a4ad;--go:#8ab4ff;--on-go:#10131a}}"
    "body{margin:0;padding:24px 16px;background:var(--page);color:var(--text);"
    "font:16px/1.5 system-ui,sans-serif}"
    "main{box-sizing:border-box;max-width:480px;margin:10vh auto 0;padding:24px;border-radius:8px;"
    "background:var(--card);overflow-wrap:anywhere}"
    "h1{margin:0 0 12px;font-size:20px;line-height:1.3}p{margin:0 0 16px;color:var(--soft)}"
    "form{margin:0}button{min-height:44px;padding:0 20px;border:0;border-radius:8px;"
    "background:var(--go);color:var(--on-go);font:inherit;font-weight:600;cursor:pointer}"
    "button:focus-visible{outline:3px solid var(--go);outline-offset:2px}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-robots-tag", b"noindex"),
)


class LeavingRoutes:
    """Handlers of both; their only credential is the link itself."""

    def __init__(self, leave: Leave) -> None:
        self._leave = leave

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        pages = {200: bytes, 404: bytes}
        return (
            Endpoint(
                "GET",
                _PATH,
                "Show what a link in a letter switches off, with a button that does it",
                self.show,
                pages,
                query_raw=True,
                answer_type="text/html",
            ),
            Endpoint(
                "POST",
                _PATH,
                "Switch a category off with one click (RFC 8058)",
                self.leave,
                pages,
                body=bytes,
                body_types=(ANY_TYPE,),
                body_raw=True,
                query_raw=True,
                answer_type="text/html",
            ),
        )

    async def show(self, call: Call) -> Answer:
        """Answer the page with the button."""
        try:
            leaving = self._leave.look(call.path["token"])
        except NotFound:
            return _unknown()
        form = (
            f'<form method="post"><input type="hidden" name="{_FIELD}" value="{_VALUE}">'
            "<button>Unsubscribe</button></form>"
        )
        said = f"You will get no more {_what(leaving)}. Other messages are not affected."
        return _page("Unsubscribe?", said, form)

    async def leave(self, call: Call) -> Answer:
        """Switch it off, as often as it is asked."""
        if not _one_click(call):
            raise RequestRefused(f"send {_FIELD}={_VALUE} as a form", code="missing")
        try:
            leaving = await self._leave.leave(call.path["token"])
        except NotFound:
            return _unknown()
        return _page("You are unsubscribed", f"You will get no more {_what(leaving)}.")


def _one_click(call: Call) -> bool:
    """Return whether the body says so, as a form of either kind."""
    if len(call.raw) > _BODY_BYTES_MAX:
        raise TooLarge(f"this takes {_BODY_BYTES_MAX} bytes")
    if call.content_type != "multipart/form-data":
        return (_FIELD, _VALUE) in parse_qsl(call.raw.decode("latin-1"), max_num_fields=20)
    head = f"Content-Type: {call.headers.get('content-type', '')}\r\n\r\n"
    form = email.message_from_bytes(head.encode("latin-1", "replace") + call.raw)
    return any(
        part.get_param("name", header="content-disposition") == _FIELD
        and str(part.get_payload()).strip() == _VALUE
        for part in form.walk()
    )


def _what(leaving: Leaving) -> str:
    return f"{escape(leaving.channel)} about “{escape(leaving.category)}”"


def _unknown() -> Answer:
    said = "A part of it may be missing. Open the link in the message once more."
    return _page("This link does not work", said, status=404)


def _page(title: str, said: str, form: str = "", *, status: int = 200) -> Answer:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{title}</h1><p>{said}</p>{form}</main></body></html>"
    )
    return Answer(page.encode(), status, _HEADERS, _HTML)
