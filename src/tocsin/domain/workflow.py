"""A workflow: the checked document, and the compiled form that decides and renders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from tocsin.domain.attachments import (
    AttachmentSource,
    CompiledAttachment,
    compile_attachments,
)
from tocsin.domain.channels import HTML_FIELDS, INBOX, ONE_TEXT, TOLD_BY_APPS
from tocsin.domain.intervals import (
    CONDITIONS,
    Condition,
    DelayStep,
    Interval,
    IntervalStep,
    StepName,
    WaitStep,
    compile_interval,
)
from tocsin.domain.lanes import Lane
from tocsin.domain.rules import AudienceRule
from tocsin.domain.schema import compile_schema
from tocsin.domain.step_options import NO_OPTIONS, CompiledOptions, compile_options
from tocsin.domain.templates import Template, compile_template
from tocsin.errors import FieldProblem, RequestRefused

DEFAULT_CATEGORY: Final = "general"

_NOTHING_TOLD: Final[Mapping[str, Collection[Condition]]] = {}


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
    options: dict[str, dict[str, object]] = {}
    """What it says to single providers, by their names."""
    attachments: tuple[AttachmentSource, ...] = ()


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
    tracking: dict[str, bool] = {}
    """Whether its letters tell ``opens`` and ``clicks``; the settings say it for those left out."""
    steps: tuple[ChannelStep | IntervalStep, ...]


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """A channel step, ready to be decided and rendered; ``index`` counts channel steps only."""

    index: int
    name: str
    channel: str
    fields: Mapping[str, Template]
    """Its own; and, where it has none, the nearest earlier title and the nearest earlier body."""
    actions: tuple[tuple[Template, Template], ...]
    """(label, url) of each button."""
    paths: frozenset[str]
    """All that its templates read."""
    personal: bool
    """Whether the text differs from one recipient to the next."""
    options: CompiledOptions = NO_OPTIONS
    attachments: tuple[CompiledAttachment, ...] = ()


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
    intervals: tuple[Interval, ...] = ()
    tracking: Mapping[str, bool] = field(default_factory=dict)
    opening: tuple[CompiledStep, ...] = field(init=False, compare=False)
    """The steps before the first interval."""
    in_inbox: bool = field(init=False, compare=False)
    """Whether a step of it is shown in the inbox, so that its text is rendered when it is routed."""

    def __post_init__(self) -> None:
        # Asked for each event, so they are worked out once.
        opening = self.steps[: self.intervals[0].before] if self.intervals else self.steps
        object.__setattr__(self, "opening", opening)
        object.__setattr__(self, "in_inbox", any(each.channel == INBOX for each in self.steps))

    def after(self, interval: int) -> tuple[tuple[CompiledStep, ...], Interval | None]:
        """Return the steps that follow an interval up to the next one, and that one."""
        begin = self.begin(interval)
        if interval + 1 < len(self.intervals):
            following = self.intervals[interval + 1]
            return self.steps[begin : following.before], following
        return self.steps[begin:], None

    def begin(self, interval: int) -> int:
        """Return the first step after an interval; `tocsin.domain.intervals.SCHEDULED` is before all."""
        return self.intervals[interval].before if interval >= 0 else 0

    @property
    def watches(self) -> bool:
        """Whether it matters to a run of it what becomes of its deliveries."""
        return any(interval.unless is not None for interval in self.intervals)

    def awaits_acknowledgement(self, step: int) -> bool:
        """Return whether a later wait ends when somebody acknowledges what this step said."""
        intervals = self.intervals
        return bool(intervals) and any(
            each.unless == "acknowledged" and step in each.of for each in intervals
        )

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
    steps, intervals = _compile_steps(document, problems)
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
        intervals=intervals,
        tracking=document.tracking,
    )


def _compile_steps(
    document: WorkflowDocument, problems: list[FieldProblem]
) -> tuple[tuple[CompiledStep, ...], tuple[Interval, ...]]:
    inherited: dict[str, Template] = {}
    steps: list[CompiledStep] = []
    intervals: list[Interval] = []
    for number, step in enumerate(document.steps):
        index = len(steps)
        if isinstance(step, DelayStep | WaitStep):
            earlier = [StepName(each.index, each.name) for each in steps]
            intervals.append(compile_interval(step, len(intervals), earlier, index))
            continue
        place = f"/steps/{number}"
        own = _compile_fields(step, place, problems)
        actions = _compile_actions(step, place, problems)
        fields = {**_wanted(step.channel, inherited, own), **own}
        # What wakes an app and says nothing has nothing to hand on.
        said = [name for name in ("title", "body") if name in own and own[name].source]
        inherited.update({name: own[name] for name in said})
        options = compile_options(step.options, f"{place}/options", problems)
        files = compile_attachments(step.attachments, f"{place}/attachments", problems)
        pairs = [template for action in actions for template in action]
        paths = options.paths.union(*(t.paths for t in (*fields.values(), *pairs)))
        paths = paths.union(*(file.paths for file in files))
        personal = any(path.partition(".")[0] == "recipient" for path in paths)
        steps.append(
            CompiledStep(
                index, step.name, step.channel, fields, actions, paths, personal, options, files
            )
        )
    return tuple(steps), tuple(intervals)


def _wanted(
    channel: str, inherited: Mapping[str, Template], own: Mapping[str, Template]
) -> dict[str, Template]:
    """
    Return what a step takes over from those before it, field by field.

    A letter with a page or a text of its own has no use for a body, and with a subject, too, none
    for a title: what is not shown must not decide what the letter reads or whether it renders. A
    text message or a call with words of its own says these and nothing before them.
    """
    if channel in ONE_TEXT and own:
        return {}
    wanted = dict(inherited)
    if "html" in own or "text" in own:
        wanted.pop("body", None)
        if "subject" in own:
            wanted.pop("title", None)
    return wanted


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


def publish_warnings(
    workflow: Workflow,
    configured: Collection[str],
    telling: Mapping[str, Collection[Condition]] = _NOTHING_TOLD,
) -> list[str]:
    """
    Return what works but perhaps not as its author thinks, as sentences to be shown.

    *configured* are the channels that have a provider now, *telling* what those of them report
    that learn later what became of a message.
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
    return warnings + _vain_waits(workflow, telling)


def _may_tell(
    workflow: Workflow,
    step: int,
    unless: Condition,
    telling: Mapping[str, Collection[Condition]],
) -> bool:
    """
    Return whether something beside the app can tell of a step that its message was *unless*.

    Who reports more has said so much, too; but a message asks to be acknowledged only where a wait
    looks for that.
    """
    channel = workflow.steps[step].channel
    enough = set(CONDITIONS[CONDITIONS.index(unless) :])
    if not workflow.awaits_acknowledgement(step):
        enough.discard("acknowledged")
    return channel == INBOX or not enough.isdisjoint(telling.get(channel, ()))


def _vain_waits(workflow: Workflow, telling: Mapping[str, Collection[Condition]]) -> list[str]:
    """Return a warning for each wait whose condition nothing can make true, or only the app."""
    warnings = []
    for interval in workflow.intervals:
        unless = interval.unless
        if unless is None:
            continue
        if any(_may_tell(workflow, step, unless, telling) for step in interval.of):
            continue
        channels = [workflow.steps[step].channel for step in interval.of]
        wait = f"the wait before step {workflow.steps[interval.before].name!r}"
        told = [channel for channel in channels if channel in TOLD_BY_APPS]
        if told:
            warnings.append(
                f"{wait} ends early only if the app itself says that a message was {unless}:"
                f" nobody else reports so of {', '.join(told)} (POST /v1/deliveries/{{id}}/received)"
            )
        else:
            warnings.append(
                f"{wait} always takes its whole time: none of {', '.join(channels)} reports that a"
                f" message was {unless}"
            )
    return warnings
