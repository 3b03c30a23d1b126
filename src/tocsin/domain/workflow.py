"""A workflow: the checked document, and the compiled form that decides and renders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from tocsin.domain.channels import HTML_FIELDS
from tocsin.domain.lanes import Lane
from tocsin.domain.rules import AudienceRule
from tocsin.domain.schema import compile_schema
from tocsin.domain.templates import Template, compile_template
from tocsin.errors import FieldProblem, RequestRefused

DEFAULT_CATEGORY: Final = "general"


class Action(msgspec.Struct, frozen=True):
    """A button; both fields are templates."""

    label: str
    url: str


class ChannelStep(msgspec.Struct, frozen=True):
    """Say something on one channel; ``fields`` are the sources of its own templates."""

    channel: str
    name: str
    fields: dict[str, str] = {}
    actions: tuple[Action, ...] = ()


class WorkflowDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A document without mistakes of form (`tocsin.domain.workflow_read`)."""

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
    """Its own, or the nearest earlier title and body."""
    actions: tuple[tuple[Template, Template], ...]
    """(label, url) of each button."""
    paths: frozenset[str]
    """All that its templates read."""
    personal: bool
    """Whether the text differs from one recipient to the next."""


CheckData = Callable[[object], tuple[FieldProblem, ...]]


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
    check_data: CheckData | None
    """Takes the decoded data and returns what the schema refuses; None without a schema."""

    @property
    def unstoppable(self) -> bool:
        """Whether no preference and no quiet hour holds it back."""
        return self.required or self.lane == "critical"


def compile_workflow(document: WorkflowDocument, version: int) -> Workflow:
    """Compile templates, rule and schema; raises `RequestRefused` with every problem."""
    problems: list[FieldProblem] = []
    check_data = None
    if document.schema is not None:
        check_data, refused = compile_schema(document.schema, "/schema")
        problems += refused
    steps = _compile_steps(document, problems)
    if problems:
        raise RequestRefused("the workflow cannot be used", errors=tuple(problems))
    return Workflow(
        key=document.key,
        version=version,
        on=document.on,
        category=document.category,
        lane=document.lane,
        required=document.required,
        audience=document.audience,
        expires_in_ms=document.expires_in_ms,
        channels=document.channels,
        steps=steps,
        check_data=check_data,
    )


def _compile_steps(
    document: WorkflowDocument, problems: list[FieldProblem]
) -> tuple[CompiledStep, ...]:
    inherited: dict[str, Template] = {}
    steps = []
    for index, step in enumerate(document.steps):
        place = f"/steps/{index}"
        own = _compile_fields(step, place, problems)
        actions = _compile_actions(step, place, problems)
        # A step with a text of its own keeps to it: half of one and half of another says nothing.
        fields = own if _says_something(own) else {**inherited, **own}
        inherited.update({name: own[name] for name in ("title", "body") if name in own})
        pairs = [template for action in actions for template in action]
        paths = frozenset[str]().union(*(t.paths for t in (*fields.values(), *pairs)))
        personal = any(path.partition(".")[0] == "recipient" for path in paths)
        steps.append(CompiledStep(index, step.name, step.channel, fields, actions, paths, personal))
    return tuple(steps)


def _says_something(fields: Mapping[str, Template]) -> bool:
    return any(name in fields for name in ("title", "body", "subject", "html", "text"))


def _compile_fields(
    step: ChannelStep, place: str, problems: list[FieldProblem]
) -> dict[str, Template]:
    compiled = {}
    for name, source in step.fields.items():
        template = _compile(source, f"{place}/{name}", problems, html=name in HTML_FIELDS)
        if template is not None:
            compiled[name] = template
    return compiled


def _compile_actions(
    step: ChannelStep, place: str, problems: list[FieldProblem]
) -> tuple[tuple[Template, Template], ...]:
    compiled = []
    for number, action in enumerate(step.actions):
        label = _compile(action.label, f"{place}/actions/{number}/label", problems)
        url = _compile(action.url, f"{place}/actions/{number}/url", problems)
        if label is not None and url is not None:
            compiled.append((label, url))
    return tuple(compiled)


def _compile(
    source: str, pointer: str, problems: list[FieldProblem], *, html: bool = False
) -> Template | None:
    try:
        return compile_template(source, pointer=pointer, html=html)
    except RequestRefused as refusal:
        problems.extend(refusal.errors)
        return None


def publish_warnings(workflow: Workflow, configured: Collection[str]) -> list[str]:
    """
    Return what works but perhaps not as its author thinks, as sentences to be shown.

    *configured* are the channels that have a provider now.
    """
    warnings = [
        f"step {step.name!r}: the channel {step.channel} has no provider, so its deliveries will "
        "be suppressed as channel_not_configured"
        for step in workflow.steps
        if step.channel not in configured
    ]
    if workflow.audience is None:
        warnings.append("there is no audience rule: every call has to name its recipients")
    if workflow.required and workflow.lane == "bulk":
        warnings.append("required in the lane bulk: nobody will be able to switch this off")
    warnings += [
        f"step {step.name!r}: its text reads the recipient, so a broadcast is rendered per reader"
        for step in workflow.steps
        if step.personal and workflow.lane == "bulk"
    ]
    return warnings
