"""What a case found: figures beside their goals, as text, Markdown and JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number. ``goal`` is aimed at, ``floor`` is the limit below which a case is not done."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    floor: float | None = None
    more_is_better: bool = False

    def verdict(self) -> str:
        """``goal met``, ``short of goal`` or ``not done``; empty for a figure without a goal."""
        if self.goal is None:
            return ""
        if self._reaches(self.goal):
            return "goal met"
        if self.floor is None or self._reaches(self.floor):
            return "short of goal"
        return "not done"

    def _reaches(self, limit: float) -> bool:
        return self.value >= limit if self.more_is_better else self.value <= limit

    def limit(self, value: float | None) -> str:
        """A goal or floor with its direction and unit, for a table cell."""
        if value is None:
            return ""
        return f"{'≥' if self.more_is_better else '≤'} {number(value)} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of one case. ``raw`` holds every number that the figures came from."""

    case: str
    what: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    raw: dict[str, Any] = field(default_factory=dict)


def number(value: float) -> str:
    """Three significant digits below a thousand, whole numbers above."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.3g}"


def as_text(result: Result) -> str:
    """The block that is printed when a case ends."""
    lines = [f"\n{result.case}: {result.what}"]
    width = max(len(figure.name) for figure in result.figures)
    for figure in result.figures:
        limits = ""
        if figure.goal is not None:
            limits = f"goal {figure.limit(figure.goal)}"
            if figure.floor is not None:
                limits += f", not done unless {figure.limit(figure.floor)}"
            limits += f": {figure.verdict()}"
        value = f"{number(figure.value)} {figure.unit}"
        lines.append(f"  {figure.name:<{width}}  {value:<18} {limits}".rstrip())
    lines.extend(f"  note: {note}" for note in result.notes)
    lines.append("  raw: " + json.dumps(result.raw))
    return "\n".join(lines)


def as_markdown(results: Sequence[Result], machine: dict[str, Any]) -> str:
    """A page with one table of figures, the machine, the notes and the raw numbers."""
    lines = ["| case | figure | measured | goal | not done unless | |", "|---|---|---|---|---|---|"]
    for result in results:
        for figure in result.figures:
            cells = (
                f"`{result.case}`",
                figure.name,
                f"{number(figure.value)} {figure.unit}",
                figure.limit(figure.goal),
                figure.limit(figure.floor),
                figure.verdict(),
            )
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Machine and calibration:", ""]
    lines += [f"- {name}: {value}" for name, value in machine.items()]
    lines += ["", "Cases:", ""]
    for result in results:
        lines.append(f"- `{result.case}`: {result.what}")
        lines.extend(f"  - {note}" for note in result.notes)
    lines += ["", "Raw numbers:", "", "```json"]
    lines += [json.dumps({"case": result.case, **result.raw}) for result in results]
    lines += ["```", ""]
    return "\n".join(lines)


def write_json(path: Path, results: Sequence[Result], machine: dict[str, Any]) -> None:
    """Everything, for machines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine, "results": [asdict(result) for result in results]}
    # msgspec writes an infinite figure as null, where `json` would write what is not JSON.
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
