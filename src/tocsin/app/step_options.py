"""What steps say to single providers, held against what their folders take."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.domain.reading import Notes, step_into
from tocsin.domain.step_options import literal
from tocsin.domain.workflow import ChannelStep, WorkflowDocument

CheckOptions = Callable[[str, str, object], str | None]
"""Takes channel, provider and table, and returns what is wrong with it as a sentence."""


def unchecked(channel: str, provider: str, table: object) -> str | None:
    """Find nothing wrong: for where no provider is known."""
    del channel, provider, table
    return None


def check_step_options(document: WorkflowDocument, check: CheckOptions) -> None:
    """
    Raise `RequestRefused` for options that a provider does not take.

    What is a template is looked at right before it is sent, by the provider itself.
    """
    notes = Notes()
    for number, step in enumerate(document.steps):
        if not isinstance(step, ChannelStep):
            continue
        for name, table in step.options.items():
            wrong = check(step.channel, name, literal(table))
            if wrong is not None:
                notes.add(step_into(f"/steps/{number}/options", name), "invalid_options", wrong)
    notes.finish("a step says what its provider does not take")
