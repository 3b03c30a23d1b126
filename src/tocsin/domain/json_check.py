"""What JSON leaves open (RFC 8259) and Tocsin does not: equal names, depth, odd characters."""

from __future__ import annotations

import json
from typing import Final

import msgspec

DEPTH_MAX: Final = 64
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `msgspec` raises for bytes of others that do not hold the JSON which is wanted."""

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class JsonRefused(Exception):
    """A JSON text that is not accepted; ``code`` and ``detail`` are fit to be shown."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_json(text: bytes) -> object:
    """
    Decode *text* strictly.

    Raises `JsonRefused` for what is no JSON (also NaN, numbers out of range, invalid UTF-8, lone
    surrogates), for an object that has one name twice, and for more than `DEPTH_MAX` levels.
    """
    try:
        value = _decode(text)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise JsonRefused("malformed", "this is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise JsonRefused("malformed", f"this is not JSON: {_reason(error)}") from None
    if text.count(b"{") + text.count(b"[") > DEPTH_MAX and _depth(value) > DEPTH_MAX:
        raise _too_deep()
    json.loads(text, object_pairs_hook=_without_repeats)
    return value


def _reason(error: msgspec.DecodeError) -> str:
    """Return the decoder's words without what it quotes of the text."""
    return str(error).partition(" - at ")[0].removeprefix("JSON is malformed: ")[:120]


def _too_deep() -> JsonRefused:
    return JsonRefused("too_deep", f"at most {DEPTH_MAX} levels of nesting are allowed")


def _without_repeats(pairs: list[tuple[str, object]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise JsonRefused("duplicate_key", "an object has the same name twice")


def _depth(value: object) -> int:
    """Return the levels of *value*, without recursion: it may be deep."""
    depth, level = 0, [value]
    while level:
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
        nested = any(isinstance(each, dict | list) for each in level)
        depth, level = depth + nested, inner
    return depth


def is_shallow(text: bytes) -> bool:
    """Return whether *text*, a member of an object, surely is not nested too deeply."""
    # Whatever is opened is closed again, so that a short text needs no look.
    return len(text) < 2 * DEPTH_MAX or text.count(b"{") + text.count(b"[") < DEPTH_MAX


def has_distinct_names(text: bytes) -> bool:
    """
    Return whether no object in *text* has a name twice; *text* is JSON without escapes.

    An object that has a name twice is decoded with one name less, so what is encoded again has
    fewer colons; those within strings are as many as before. Raises what the decoder raises.
    """
    return text.count(b":") == _encode(_decode(text)).count(b":")


def quick_json(text: bytes) -> int:
    """
    Return how many names the objects in *text* have, a repeated one counted once.

    -1 says that `read_json` may refuse *text*, for another reason than repeated names. *text* is a
    member of an object, which is one level more.
    """
    if not is_shallow(text):
        return -1
    try:
        return _names(_decode(text))
    except UNREADABLE:
        return -1


def _names(value: object) -> int:
    """Count the names of all objects in *value*; a repeated one counts once."""
    if type(value) is dict:
        found = len(value)
        for each in value.values():
            if type(each) is dict or type(each) is list:
                found += _names(each)
        return found
    if type(value) is list:
        return sum([_names(each) for each in value if type(each) is dict or type(each) is list])
    return 0
