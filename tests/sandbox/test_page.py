"""The sandbox's page as files and addresses; `tests/browser` looks at it."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from tests.sandbox.site import sandbox
from tocsin.api.sandbox_page.letters import PATH, LetterAddresses
from tocsin.errors import NotFound
from tocsin.ports.simulator import Received

LETTER = Received(
    id="smtp-3",
    provider="smtp",
    channel="email",
    reference="r",
    to="ana@example.com",
    received_ms=0,
    content={"subject": "Hello", "html": "<p>Hello</p>"},
    raw=b"",
    answer="250",
    taken=True,
)
TOKEN = re.compile(r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\);")
GROUNDS = ("bg", "surface", "surface-2")
READ = 4.5
SEEN = 3.0


async def test_the_page_may_run_its_own_files_and_nothing_else(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        page = await site.client.get("/sandbox")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        policy = page.headers["content-security-policy"]
        allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        assert allowed["default-src"] == "'none'"
        assert allowed["script-src"] == allowed["style-src"] == allowed["connect-src"] == "'self'"
        assert allowed["require-trusted-types-for"] == "'script'"
        assert allowed["trusted-types"] == allowed["frame-ancestors"] == "'none'"
        assert "set-cookie" not in page.headers
        assert re.search(r"<style|<script(?![^>]* src=)| on\w+=| style=", page.text) is None
        for asked in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
            assert (await site.client.get(asked)).status_code == 200, asked


async def test_every_module_is_served_and_nothing_beside(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data") as site:
        main = await site.client.get("/sandbox/main.js")
        assert main.headers["content-type"] == "text/javascript; charset=utf-8"
        for module in re.findall(r'from "\./(\w+\.js)"', main.text):
            assert (await site.client.get(f"/sandbox/{module}")).status_code == 200, module
        for absent in ("index.html", "letters.py", "..%2Fletters.py", "__init__.py", ""):
            assert (await site.client.get(f"/sandbox/{absent}")).status_code == 404, absent


async def test_a_real_server_has_no_page(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "data", clock=None, mode="real") as site:
        for path in ("/sandbox", "/sandbox/main.js", PATH + "AAAA"):
            assert (await site.client.get(path)).status_code == 404, path


def test_the_address_of_a_letter_ends_and_cannot_be_made_up() -> None:
    times = [1_000.0]
    letters = LetterAddresses(b"s" * 32, lambda: times[0])
    url = letters.url_of(LETTER)
    assert url is not None
    proof = url.removeprefix(PATH)
    assert letters.read(proof) == "smtp-3"
    others = LetterAddresses(b"t" * 32, lambda: times[0]).url_of(LETTER)
    assert others is not None
    for wrong in ("", "A", "ö", "A" * 60, proof[:-1], proof + "A", others.removeprefix(PATH)):
        with pytest.raises(NotFound):
            letters.read(wrong)
    times[0] += 301
    with pytest.raises(NotFound):
        letters.read(proof)


def test_only_a_letter_with_html_has_an_address() -> None:
    letters = LetterAddresses(b"s" * 32, lambda: 0.0)
    fields = {name: getattr(LETTER, name) for name in LETTER.__struct_fields__}
    for other in ({"channel": "webhook"}, {"content": {"text": "Hello"}}):
        assert letters.url_of(Received(**{**fields, **other})) is None


@pytest.mark.parametrize("theme", [1, 2], ids=["light", "dark"])
def test_what_is_read_stands_out_from_what_is_behind_it(theme: int) -> None:
    style = (files("tocsin.api.sandbox_page") / "files" / "page.css").read_text()
    tokens = {found[1]: found[theme + 1] for found in TOKEN.finditer(style)}
    for ground in GROUNDS:
        for ink in ("text", "text-2", "accent", "brand", "ok", "err"):
            assert contrast(tokens[ink], tokens[ground]) >= READ, (ink, ground)
        assert contrast(tokens["control"], tokens[ground]) >= SEEN, ground
    for ink, ground in (
        ("accent-fg", "accent"),
        ("accent-fg", "sms"),
        ("ok", "ok-bg"),
        ("err", "err-bg"),
    ):
        assert contrast(tokens[ink], tokens[ground]) >= READ, (ink, ground)


def contrast(one: str, other: str) -> float:
    """Return the ratio of WCAG 2.2, 1.4.3."""
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour in sRGB."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
