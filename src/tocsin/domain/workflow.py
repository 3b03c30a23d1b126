"""A workflow: the document as people write it, and the compiled form that decides and renders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tocsin.domain.lanes import Lane
from tocsin.domain.rules import AudienceRule
from tocsin.domain.templates import Template
from tocsin.errors import FieldProblem

DEFAULT_CATEGORY = "general"


class Action(msgspec.Struct, frozen=True):
    """A button: both are templates."""

    label: str
    url: str


class ChannelStep(msgspec.Struct, frozen=True):
    """Say something on one channel; ``fields`` are the sources of the templates."""

    channel: str
    name: str
    fields: dict[str, str]
    actions: tuple[Action, ...] = ()


class WorkflowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A checked document."""

    key: str
    name: str = ""
    on: tuple[str, ...]
    category: str = DEFAULT_CATEGORY
    lane: Lane = "transactional"
    required: bool = False
    audience: AudienceRule | None = None
    expires_in_ms: int | None = None
    schema: dict[str, object] | None = None
    channels: dict[str, bool] = {}
    """The workflow's own defaults by channel."""
    steps: tuple[ChannelStep, ...]


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """One step, ready to be decided and rendered; ``index`` is its place among all steps."""

    index: int
    name: str
    channel: str
    fields: Mapping[str, Template]
    actions: tuple[tuple[Template, Template], ...]
    paths: frozenset[str]
    """All that its templates read."""
    personal: bool
    """Whether the text differs from one recipient to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One published version."""

    key: str
    version: int
    on: tuple[str, ...]
    category: str
    lane: Lane
    required: bool
    audience: AudienceRule | None
    expires_in_ms: int | None
    channels: Mapping[str, bool]
    steps: tuple[CompiledStep, ...]
    check_data: Callable[[object], tuple[FieldProblem, ...]] | None
    """Takes the decoded data; None without a schema."""


def read_document(value: object) -> WorkflowDocument:
    """Read and check a document; raises `RequestRefused` or `NotBuilt` with every problem."""
    raise NotImplementedError


def show_document(document: WorkflowDocument) -> dict[str, object]:
    """Return the JSON document that `read_document` reads as *document*."""
    raise NotImplementedError


def document_for_send(
    content: object, channels: Sequence[str] | None, lane: str | None, category: str | None
) -> WorkflowDocument:
    """Return the document of a message sent by hand; raises `RequestRefused`."""
    raise NotImplementedError


def compile_workflow(document: WorkflowDocument, version: int) -> Workflow:
    """Compile templates, audience rule and schema; raises `RequestRefused` with every problem."""
    raise NotImplementedError


def publish_warnings(workflow: Workflow, configured: Collection[str]) -> list[str]:
    """Return what works but not as its author may think; shown when publishing."""
    raise NotImplementedError
