"""
Files that go along with a message: named by a step, brought by the event's data as base64.

The data of one is a text of base64, or one variable that holds it. It is taken as it is rather than
rendered, since a template puts out less than a file may have.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from tocsin.domain.paths import MISSING, lookup
from tocsin.domain.reading import Reader, step_into
from tocsin.domain.template_syntax import SOURCE_CHARACTERS_MAX
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.templates import Template, compile_template
from tocsin.errors import FieldProblem, RequestRefused

ATTACHMENTS_MAX: Final = 10
ATTACHMENTS_BYTES_MAX: Final = 10 * 1_024 * 1_024
"""Of all files of one message, before they are encoded for the wire; vendors begin to refuse here."""
NAME_BYTES_MAX: Final = 240

_FIELDS: Final = frozenset({"name", "content_type", "data", "content_id"})
_TYPE: Final = re.compile(
    r"(?!multipart/|message/)[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,90}\Z"
)
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_VARIABLE: Final = re.compile(r"\s*\{\{\s*([A-Za-z_][\w.]*)\s*\}\}\s*\Z")
_NOT_IN_NAMES: Final = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069/\\:*?"<>|]+'
)


class AttachmentSource(msgspec.Struct, frozen=True):
    """A file as a document names it; ``name`` is a template, ``data`` base64 or a variable."""

    name: str
    content_type: str
    data: str
    content_id: str | None = None


class File(NamedTuple):
    """A file that goes along."""

    name: str
    content_type: str
    data: bytes
    content_id: str | None

    def __repr__(self) -> str:
        return f"File({self.content_type}, {len(self.data)} bytes)"


@dataclass(frozen=True, slots=True)
class CompiledAttachment:
    """A file that can be filled in."""

    name: Template
    content_type: str
    data: tuple[str, ...] | bytes
    """Where it is in the variables, or itself."""
    content_id: str | None

    @property
    def paths(self) -> frozenset[str]:
        """All that it reads."""
        own = frozenset[str]() if isinstance(self.data, bytes) else {".".join(self.data)}
        return self.name.paths | own

    def file(self, context: Mapping[str, object]) -> File:
        """Return the file; raises `RenderFailed` without a word of what it holds."""
        name = _NOT_IN_NAMES.sub("_", self.name.render(context)).strip(" ._")
        name = name.encode("utf-8", "replace")[:NAME_BYTES_MAX].decode("utf-8", "ignore")
        return File(name or "file", self.content_type, self._bytes(context), self.content_id)

    def _bytes(self, context: Mapping[str, object]) -> bytes:
        if isinstance(self.data, bytes):
            return self.data
        root, *rest = self.data
        found = lookup(context.get(root), tuple(rest)) if rest else context.get(root, MISSING)
        where = ".".join(self.data)
        if not isinstance(found, str) or not found:
            raise RenderFailed(f"an attachment's data is to be in {where}, and there is no text")
        try:
            return _decoded(found)
        except ValueError:
            raise RenderFailed(f"an attachment's data in {where} is no base64") from None


def read_attachments(reader: Reader) -> tuple[AttachmentSource, ...]:
    """Return what a step names; what is wrong with it is noted."""
    place = reader.at("attachments")
    found = []
    for number, item in enumerate(reader.items("attachments", count_max=ATTACHMENTS_MAX)):
        inner = Reader(item, step_into(place, number), reader.notes, _FIELDS)
        name = inner.text("name", characters_max=1_000, required=True)
        kind = inner.text("content_type", required=True)
        data = inner.text("data", characters_max=SOURCE_CHARACTERS_MAX, required=True, lines=True)
        id = inner.text("content_id")
        if kind is not None and _TYPE.match(kind) is None:
            inner.note("content_type", "invalid_value", "a type such as application/pdf is needed")
        elif id is not None and _ID.match(id) is None:
            inner.note("content_id", "invalid_value", "use letters, digits and . _ -")
        elif name is not None and kind is not None and data is not None:
            found.append(AttachmentSource(name, kind, data, id))
    return tuple(found)


def show_attachment(source: AttachmentSource) -> dict[str, str]:
    """Return what `read_attachments` reads as *source*."""
    shown = {"name": source.name, "content_type": source.content_type, "data": source.data}
    return shown if source.content_id is None else {**shown, "content_id": source.content_id}


def compile_attachments(
    sources: tuple[AttachmentSource, ...], pointer: str, problems: list[FieldProblem]
) -> tuple[CompiledAttachment, ...]:
    """Return them ready to be filled in; what is wrong is added to *problems*."""
    found = []
    for number, source in enumerate(sources):
        place = step_into(pointer, number)
        try:
            name = compile_template(source.name, pointer=step_into(place, "name"))
            data = _compile_data(source.data, step_into(place, "data"))
        except RequestRefused as refusal:
            problems.extend(refusal.errors)
            continue
        found.append(CompiledAttachment(name, source.content_type, data, source.content_id))
    return tuple(found)


def files_of(
    attachments: tuple[CompiledAttachment, ...], context: Mapping[str, object]
) -> tuple[File, ...]:
    """Return the files; raises `RenderFailed`, also when they are too large together."""
    files = tuple(each.file(context) for each in attachments)
    if sum(len(each.data) for each in files) > ATTACHMENTS_BYTES_MAX:
        raise RenderFailed(f"the attachments have more than {ATTACHMENTS_BYTES_MAX} bytes")
    return files


def _compile_data(text: str, pointer: str) -> tuple[str, ...] | bytes:
    found = _VARIABLE.match(text)
    if found is not None:
        # The template's own rules say which variables there are.
        compile_template(text, pointer=pointer)
        return tuple(found[1].split("."))
    try:
        return _decoded(text)
    except ValueError:
        detail = "base64 is needed, or one variable such as {{ data.invoice }} that holds it"
        problem = FieldProblem(pointer, "invalid_value", detail)
        raise RequestRefused("an attachment cannot be used", errors=(problem,)) from None


def _decoded(text: str) -> bytes:
    """Return the bytes of base64, which may stand in lines; raises ``ValueError``."""
    if len(text) > 2 * ATTACHMENTS_BYTES_MAX:
        raise RenderFailed(f"an attachment has more than {ATTACHMENTS_BYTES_MAX} bytes")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError from error
