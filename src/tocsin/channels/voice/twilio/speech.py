"""
What a call says: TwiML, in the language of who is called.

`prompts.toml` beside this has the sentences that are Tocsin's own, by language, and which language
of Twilio's each locale is read in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

KEY: Final = "1"
"""The key that acknowledges."""

_ENGLISH: Final = "en"


class Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sentences of one language."""

    press: str
    thanks: str
    bye: str
    locales: tuple[str, ...]
    """Those that Twilio reads; a locale that is none of them is read as the first."""


@cache
def prompts() -> Mapping[str, Prompt]:
    """Return the sentences, by language without region."""
    text = (files(__package__) / "prompts.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Prompt])


def language_for(locale: str | None, otherwise: str) -> str:
    """Return the language of Twilio's that a recipient's *locale* is read in."""
    language, _, rest = (locale or "").replace("_", "-").partition("-")
    prompt = prompts().get(language.lower())
    if prompt is None:
        return otherwise
    wanted = f"{language.lower()}-{rest.rpartition('-')[2].upper()}"
    return wanted if wanted in prompt.locales else prompt.locales[0]


class Speech:
    """Writes TwiML in one language."""

    def __init__(self, language: str, voice: str | None, key_wait_ms: int) -> None:
        self._prompt = prompts().get(language.partition("-")[0]) or prompts()[_ENGLISH]
        voiced = "" if voice is None else f" voice={quoteattr(voice)}"
        self._attributes = f" language={quoteattr(language)}{voiced}"
        self._wait_s = max(1, key_wait_ms // 1_000)

    def told(self, text: str) -> str:
        """Say *text* twice and hang up."""
        return _response(self._say(text, loop=2))

    def asked(self, text: str, action: str) -> str:
        """Say *text* and ask for the key, twice; what is pressed goes to *action*."""
        return _response(self._gather(self._say(f"{text} {self._prompt.press}", loop=2), action))

    def asked_again(self, action: str) -> str:
        """Ask for the key once more."""
        return _response(self._gather(self._say(self._prompt.press), action))

    def thanked(self) -> str:
        """Say that the key was heard, and hang up."""
        return _response(self._say(self._prompt.thanks))

    def ended(self) -> str:
        """Take leave of who pressed nothing, and hang up."""
        return _response(self._say(self._prompt.bye))

    def _say(self, text: str, loop: int = 1) -> str:
        repeated = f' loop="{loop}"' if loop > 1 else ""
        return f"<Say{self._attributes}{repeated}>{escape(_speakable(text))}</Say>"

    def _gather(self, said: str, action: str) -> str:
        return (
            f'<Gather input="dtmf" numDigits="1" timeout="{self._wait_s}"'
            f' actionOnEmptyResult="true" method="POST" action={quoteattr(action)}>{said}</Gather>'
        )


def hung_up() -> str:
    """Say nothing."""
    return _response("<Hangup/>")


def _response(inner: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{inner}</Response>'


def _speakable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold, and nobody could say."""
    return "".join(character for character in text if character.isprintable())
