"""What a workflow's own words cost as SMS, before anything is filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tocsin.domain.sms import segments, unencodable
from tocsin.domain.workflow import CompiledStep, Workflow

_MARKUP: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def sms_warnings(workflow: Workflow) -> list[str]:
    """Return a sentence for each step whose own text needs the large alphabet, or many parts."""
    return [
        warning for step in workflow.steps if step.channel == "sms" for warning in _of_step(step)
    ]


def _of_step(step: CompiledStep) -> Iterator[str]:
    fields = (step.fields.get("title"), step.fields.get("body"))
    text = "\n".join(_MARKUP.sub("", field.source) for field in fields if field is not None)
    forcing = unencodable(text)
    if forcing:
        yield (
            f"step {step.name!r}: {' '.join(forcing)} needs UCS-2, so all of the text goes out with"
            " 70 characters to a part instead of 160"
        )
    parts = segments(text).parts
    if parts > 1:
        yield (
            f"step {step.name!r}: its own words alone are {parts} parts of SMS, each of which is"
            " paid for"
        )
