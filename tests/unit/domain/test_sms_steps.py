"""What is said of a workflow's texts when it is published."""

from __future__ import annotations

from typing import Any

from tocsin.domain.sms_steps import sms_warnings
from tocsin.domain.workflow import compile_workflow
from tocsin.domain.workflow_read import read_document


def warned(**step: Any) -> list[str]:
    document = {"key": "w", "steps": [{"channel": "sms", "name": "text", **step}]}
    return sms_warnings(compile_workflow(read_document(document), 1))


def test_a_plain_text_of_one_part_needs_no_warning() -> None:
    assert warned(title="Order {{ data.number }}", body="a" * 140) == []


def test_what_is_filled_in_does_not_count() -> None:
    body = '{% if data.name == "Zoë" %}{{ data.name | default("я") }}{% endif %} left'
    assert warned(body=body) == []


def test_a_character_that_changes_the_encoding_is_named() -> None:
    (warning,) = warned(body="It\u2019s here\u2026")
    assert warning.startswith("step 'text': \u2019 \u2026 needs UCS-2")


def test_a_text_of_several_parts_is_named() -> None:
    assert warned(body="a" * 161) == [
        "step 'text': its own words alone are 2 parts of SMS, each of which is paid for"
    ]
    assert len(warned(body="я" * 80)) == 2


def test_other_channels_say_what_they_like() -> None:
    document = {"key": "w", "steps": [{"channel": "email", "subject": "я" * 200, "text": "x"}]}
    assert sms_warnings(compile_workflow(read_document(document), 1)) == []
