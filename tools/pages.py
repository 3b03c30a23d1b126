"""Pages of the reference that are read off the code: routes, reasons, metrics, records, templates."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

import msgspec

from tocsin.api.permissions import permissions_as_markdown
from tocsin.channels.registry import Registry, folders
from tocsin.domain import records
from tocsin.domain.reasons import Outcome, Reason
from tocsin.domain.template_filters import FILTERS
from tocsin.domain.template_syntax import ROOTS
from tocsin.ports.provider import ProviderSpec

SOURCE: Final = Path("src/tocsin")
DOCS: Final = Path("docs")

MEANINGS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.SEND: "Every gate let it pass.",
        Reason.WORKFLOW_INACTIVE: "The workflow was switched off when the event was routed.",
        Reason.INVALID_DATA: "The event's data does not fit the schema of the workflow's version.",
        Reason.RENDER_FAILED: "The template could not be rendered with this data.",
        Reason.UNKNOWN_RECIPIENT: "Nobody has this id, and the event asked for known ones only.",
        Reason.ERASED: "The recipient was erased.",
        Reason.EXPIRED: "It was too late: the event or the workflow says how long it is of use.",
        Reason.CANCELLED: "Somebody cancelled it by its cancellation key before it was shown.",
        Reason.SUPPRESSION_LIST: "The recipient or the address is on the suppression list.",
        Reason.OPTED_OUT: "The recipient switched off this channel, category or workflow.",
        Reason.OFF_BY_DEFAULT: "A default is off, and the recipient has not switched it on.",
        Reason.CHANNEL_NOT_CONFIGURED: "The server has no provider for this channel.",
        Reason.NO_ADDRESS: "The recipient has no address for this channel.",
        Reason.ADDRESS_UNVERIFIED: "The address has to be verified first.",
        Reason.ADDRESS_DEAD: "The provider said that nobody can be reached there any more.",
        Reason.ADDRESS_DISABLED: "The endpoint had failed for too long and is not called any more.",
        Reason.IN_QUIET_HOURS: "Held until the recipient's quiet hours end, or expired in them.",
        Reason.DO_NOT_DISTURB: "Held until the time that the recipient named, or expired before.",
        Reason.NOT_NEEDED: "An earlier step had reached the recipient already.",
        Reason.PAUSED: "An operator has paused what carries it; it waits for the end of that.",
    }
)
"""A reason without a line here stops the page from being written."""

OUTCOMES: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.ROUTED: "At least one workflow ran for it.",
        Outcome.NO_WORKFLOW: "No published workflow takes this type of event.",
        Outcome.EMPTY_AUDIENCE: "A workflow takes it, and its audience is nobody.",
        Outcome.SCHEDULED: "It is to be sent later: `send_at`.",
        Outcome.ALIAS: "The same source and id came before; that event stands for both.",
        Outcome.POISON: "The record could not be read or decided; it counts as unrouted.",
        Outcome.REPEAT: "A second record of one timer; the first one was acted upon.",
    }
)

_METRIC_CALLS: Final = MappingProxyType(
    {
        "Counter": "counter",
        "CounterMetricFamily": "counter",
        "Gauge": "gauge",
        "GaugeMetricFamily": "gauge",
        "Histogram": "histogram",
        "HistogramMetricFamily": "histogram",
    }
)


class Metric(NamedTuple):
    """One metric as it is defined in the code."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]


def routes_page() -> str:
    """Every route and who may call it."""
    lines = [
        "# HTTP routes",
        "",
        "Who may call what: roles of keys, and what a recipient's token must hold. The running",
        "server describes bodies and answers at `GET /openapi.json`; the WebSocket of the inbox is",
        "`/v1/inbox/socket` and takes a recipient's token with the scope `inbox`.",
        "",
    ]
    return "\n".join(lines) + permissions_as_markdown()


def reasons_page() -> str:
    """The closed lists of reason codes and outcomes."""
    lines = [
        "# Reasons",
        "",
        "Why a delivery was sent, held or left out. A code never changes.",
        "",
    ]
    lines += ["| code | meaning |", "|---|---|"]
    lines += [f"| `{reason}` | {MEANINGS[reason]} |" for reason in Reason]
    lines += ["", "## Outcomes", "", "What became of an event as a whole.", ""]
    lines += ["| code | meaning |", "|---|---|"]
    lines += [f"| `{outcome}` | {OUTCOMES[outcome]} |" for outcome in Outcome]
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Every metric that the code defines."""
    lines = [
        "# Metrics",
        "",
        "What `GET /metrics` shows, in the Prometheus text format. Beside these there are the usual",
        "`process_*` metrics of the operating system.",
        "",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for metric in sorted(metrics(SOURCE)):
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        name = metric.name + ("_total" if metric.kind == "counter" else "")
        lines.append(f"| `{name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"


def metrics(folder: Path) -> set[Metric]:
    """
    The metrics that modules below *folder* define.

    Read from the source: each is defined where it is counted, by objects that need a whole server.
    """
    found: set[Metric] = set()
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            metric = _metric(node) if isinstance(node, ast.Call) else None
            if metric is not None:
                found.add(metric)
    return found


def _metric(call: ast.Call) -> Metric | None:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    texts = [_literal(argument) for argument in call.args]
    if name == "Family":
        # The engine's table of metrics names the kind beside the name.
        kind = str(texts.pop(1))
    elif name in _METRIC_CALLS:
        kind = _METRIC_CALLS[name]
    else:
        return None
    if len(texts) < 2 or not isinstance(texts[0], str):
        return None
    given = {word.arg: _literal(word.value) for word in call.keywords}
    labels = texts[2] if len(texts) > 2 else given.get("labels", given.get("labelnames", ()))
    names = tuple(map(str, labels)) if isinstance(labels, tuple | list) else ()
    return Metric(texts[0], kind, str(texts[1]), names)


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def records_page() -> str:
    """The format of every record on the log, field by field."""
    kinds: tuple[type[msgspec.Struct], ...] = get_args(records.Record)
    sources = {inspect.getfile(kind) for kind in kinds}
    notes: dict[tuple[str, str], str] = {}
    for source in sources:
        notes |= _field_notes(Path(source).read_text("utf-8"))
    lines = [
        "# Records on the log",
        "",
        "Each record is a msgpack array: the kind's tag, then the fields in this order. A field is",
        f"only ever added at the end, with a default. The format written now is {records.FORMAT};",
        "`tests/golden` holds bytes of every shape that was ever written.",
    ]
    for kind in kinds:
        lines += ["", f"## {kind.__name__}", "", *_paragraphs(kind.__doc__ or ""), ""]
        lines += [f"Tag `{kind.__struct_config__.tag}`.", ""]
        lines += ["| field | type | default | note |", "|---|---|---|---|"]
        lines += _fields(kind, notes)
    return "\n".join(lines) + "\n"


def _fields(kind: type[msgspec.Struct], notes: Mapping[tuple[str, str], str]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        written = str(kind.__annotations__[field.name]).replace("|", "\\|")
        default = "" if field.required else f"`{field.default!r}`"
        note = notes.get((kind.__name__, field.name), "").replace("``", "`")
        yield f"| `{field.name}` | `{written}` | {default} | {note} |"


def _field_notes(source: str) -> dict[tuple[str, str], str]:
    """The text below a field, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for field, below in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                text = _literal(below.value)
                found[node.name, ast.unparse(field.target)] = " ".join(str(text).split())
    return found


def _paragraphs(text: str) -> list[str]:
    """A docstring as Markdown."""
    return [line.strip().replace("``", "`") for line in text.strip().splitlines()]


def providers_page() -> str:
    """Every provider in its channel, with the page about it and its settings."""
    lines = [
        "# Providers",
        "",
        "Each page says how to set it up, its limits, what its answers and receipts mean, and its cost.",
        "",
        "| channel | provider | page | settings |",
        "|---|---|---|---|",
    ]
    specs = Registry(folders()).specs.values()
    for spec in sorted(specs, key=lambda each: (each.channel, each.name)):
        settings = f"[settings](settings.md#providers{spec.name})"
        lines.append(f"| {spec.channel} | `{spec.name}` | {_page_of(spec)} | {settings} |")
    return "\n".join(lines) + "\n"


def _page_of(spec: ProviderSpec) -> str:
    """Return a link to the provider's page, by its title; who needs none has its channel's."""
    own = f"providers/{spec.name.replace('_', '-')}"
    names = (own, spec.channel, f"{spec.channel}s")
    path = next(found for name in names if (DOCS / (found := f"howto/{name}.md")).is_file())
    title = (DOCS / path).read_text("utf-8").split("\n", 1)[0].removeprefix("# ")
    return f"[{title}](../{path})"


def templates_page() -> str:
    """What a template may say."""
    roots = ", ".join(f"`{root}`" for root in ROOTS)
    lines = [
        "# Templates",
        "",
        f"Templates read {roots}, print values with `{{{{ … }}}}`, and know `if`, `elif`, `else`",
        "and `for`. There is no arithmetic, assignment, call or include: what could make a text",
        "grow without bound is refused when the workflow is published. A value that is not there",
        "prints nothing.",
        "",
        "| filter | written as | gives |",
        "|---|---|---|",
    ]
    for name, each in FILTERS.items():
        usage = each.usage.replace("|", "\\|")
        lines.append(f"| `{name}` | `{usage}` | {each.does} |")
    return "\n".join(lines) + "\n"
