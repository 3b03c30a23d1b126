"""
``/sandbox``: a page that shows what the played vendors were sent, and lets one answer.

The page is the same for everybody and holds nothing; what it shows it asks the API for, with the
key that whoever opens it brings. Nothing of it runs that is not a file of this folder, and no text
of a message can become markup. A letter's HTML is a document of its own, without any rights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.sandbox_page.letters import PATH, LetterAddresses
from tocsin.errors import NotFound
from tocsin.ports.vendors import Vendors

_FILES: Final = "files"
_PAGE: Final = "index.html"
_TYPES: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
# A letter may look as it likes and do nothing: it has no origin, no scripts and no network.
_LETTER_POLICY: Final = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-robots-tag", b"noindex"),
)
_LETTER_HEADERS: Final = (
    (b"content-security-policy", _LETTER_POLICY.encode()),
    (b"x-robots-tag", b"noindex"),
)


class PageWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Read by the page itself: with ``demo=1`` it tells a story, see `files/demo.js`."""

    demo: Annotated[int, Meta(ge=0, le=1)] = 0


class SandboxPageRoutes:
    """The page, its files, and the letters in its frame; a real server has none of them."""

    def __init__(self, vendors: Vendors | None, letters: LetterAddresses) -> None:
        """*vendors* is None on a real server."""
        self._vendors = vendors
        self._letters = letters
        folder = files(__package__) / _FILES
        self._files = {each.name: each.read_bytes() for each in folder.iterdir()}

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        said = {200: bytes}
        return (
            Endpoint(
                "GET",
                "/sandbox",
                "The page of the sandbox",
                self.page,
                said,
                query=PageWanted,
                answer_type="text/html",
            ),
            Endpoint(
                "GET",
                "/sandbox/{file}",
                "A script or style of the sandbox's page",
                self.file,
                said,
                quiet=True,
                answer_type="text/javascript",
            ),
            Endpoint(
                "GET",
                PATH + "{proof}",
                "A letter's HTML, without any rights, for the frame that shows it",
                self.letter,
                said,
                answer_type="text/html",
            ),
        )

    async def page(self, call: Call) -> Answer:
        """Answer the page."""
        del call
        return self._served(_PAGE)

    async def file(self, call: Call) -> Answer:
        """Answer one of its files."""
        name = call.path["file"]
        if name == _PAGE:
            raise NotFound("there is nothing at this address")
        return self._served(name)

    async def letter(self, call: Call) -> Answer:
        """Answer what the letter says, as it came."""
        vendors = self._sandbox()
        message = await vendors.message(self._letters.read(call.path["proof"]))
        html = message.content["html"].encode()
        return Answer(html, headers=_LETTER_HEADERS, content_type=_TYPES["html"])

    def _served(self, name: str) -> Answer:
        self._sandbox()
        content = self._files.get(name)
        if content is None:
            raise NotFound("there is nothing at this address")
        kind = _TYPES[name.rpartition(".")[2]]
        return Answer(content, headers=_HEADERS, content_type=kind)

    def _sandbox(self) -> Vendors:
        if self._vendors is None:
            raise NotFound("this server is real: only a sandbox has this page")
        return self._vendors
