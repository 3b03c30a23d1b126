"""Texts of one line, as types: no control characters, which end up in headers and terminals."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from tocsin.domain.reading import KEY

# The end is a lookahead, since `$` also matches before a last newline; unlike `\Z` this is also
# the end in JSON Schema's dialect.
_END: Final = r"(?![\s\S])"
_PLAIN: Final = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"

PLAIN: Final = f"^{_PLAIN}*{_END}"
PATH_ID: Final = f"^{_PLAIN}+{_END}"
KEY_PATTERN: Final = "^" + KEY.pattern.removesuffix(r"\Z") + _END

Line64 = Annotated[str, Meta(max_length=64, pattern=PLAIN)]
Line128 = Annotated[str, Meta(max_length=128, pattern=PLAIN)]
Line256 = Annotated[str, Meta(max_length=256, pattern=PLAIN)]
Line4096 = Annotated[str, Meta(max_length=4_096, pattern=PLAIN)]
