"""Files of a step: named in its document, brought by the event's data."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tocsin.domain import attachments
from tocsin.domain.attachments import ATTACHMENTS_BYTES_MAX, File, files_of
from tocsin.domain.template_values import RenderFailed
from tocsin.domain.workflow import CompiledStep, compile_workflow
from tocsin.domain.workflow_read import read_document, show_document
from tocsin.errors import RequestRefused

PDF = b"%PDF-1.7 \x00\xff"
ENCODED = base64.b64encode(PDF).decode()
INVOICE: dict[str, Any] = {
    "name": "invoice-{{ data.order }}.pdf",
    "content_type": "application/pdf",
    "data": "{{ data.invoice }}",
}


def document(*files: Any, channel: str = "email") -> dict[str, Any]:
    step = {"channel": channel, "title": "t", "body": "b", "attachments": list(files)}
    return {"key": "order.shipped", "steps": [step]}


def step(*files: Any) -> CompiledStep:
    (one,) = compile_workflow(read_document(document(*files)), 1).steps
    return one


def filled(data: Any, *files: Any) -> tuple[File, ...]:
    return files_of(step(*(files or (INVOICE,))).attachments, {"data": data})


def test_a_file_is_what_the_data_brings() -> None:
    (file,) = filled({"order": 7, "invoice": ENCODED})
    assert file == File("invoice-7.pdf", "application/pdf", PDF, None)
    assert "PDF-" not in repr(file)


def test_base64_may_stand_in_lines_and_in_the_document() -> None:
    lines = base64.encodebytes(bytes(1_000)).decode()
    logo = {**INVOICE, "name": "logo.png", "data": lines, "content_id": "logo"}
    one, two = filled({"order": 7, "invoice": ENCODED}, INVOICE, logo)
    assert (one.data, two.data, two.content_id) == (PDF, bytes(1_000), "logo")


def test_a_document_is_shown_as_it_was_read() -> None:
    said = document(INVOICE, {**INVOICE, "content_id": "logo"})
    shown = show_document(read_document(said))
    assert shown["steps"] == said["steps"]


def test_what_it_reads_counts_as_the_steps() -> None:
    assert {"data.order", "data.invoice"} <= step(INVOICE).paths
    assert not step(INVOICE).personal
    assert step({**INVOICE, "name": "{{ recipient.name }}.pdf"}).personal


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ('a"b\r\nc.pdf', "a_b_c.pdf"),
        ("\u202egnp.exe", "gnp.exe"),
        ("  ", "file"),
        ("Rechnung für Ana.pdf", "Rechnung für Ana.pdf"),
    ],
)
def test_a_name_is_no_path_and_no_header(name: str, shown: str) -> None:
    (file,) = filled(
        {"n": name, "x": ENCODED}, {**INVOICE, "name": "{{ data.n }}", "data": "{{ data.x }}"}
    )
    assert file.name == shown


@pytest.mark.parametrize(
    "data",
    [{}, {"invoice": None}, {"invoice": ""}, {"invoice": 7}, {"invoice": "canary!"}, None],
)
def test_data_that_is_none_is_refused_without_being_shown(data: Any) -> None:
    with pytest.raises(RenderFailed, match=r"data\.invoice") as refused:
        filled(data)
    assert "canary" not in str(refused.value)


def test_files_together_have_a_limit() -> None:
    half = base64.b64encode(bytes(ATTACHMENTS_BYTES_MAX // 2)).decode()
    assert len(filled({"order": 1, "invoice": half}, INVOICE, INVOICE)) == 2
    with pytest.raises(RenderFailed, match="more than"):
        filled({"order": 1, "invoice": half}, INVOICE, INVOICE, {**INVOICE, "data": ENCODED})


@pytest.mark.parametrize(
    ("file", "pointer", "code"),
    [
        ({}, "/steps/0/attachments/0/name", "missing"),
        (
            {**INVOICE, "content_type": "pdf"},
            "/steps/0/attachments/0/content_type",
            "invalid_value",
        ),
        (
            {**INVOICE, "content_type": "message/rfc822"},
            "/steps/0/attachments/0/content_type",
            "invalid_value",
        ),
        ({**INVOICE, "content_id": "<x>"}, "/steps/0/attachments/0/content_id", "invalid_value"),
        ({**INVOICE, "data": "no base64!"}, "/steps/0/attachments/0/data", "invalid_value"),
        (
            {**INVOICE, "data": "{{ data.a }}{{ data.b }}"},
            "/steps/0/attachments/0/data",
            "invalid_value",
        ),
        ({**INVOICE, "data": "{{ secret.a }}"}, "/steps/0/attachments/0/data", "invalid_template"),
        ({**INVOICE, "name": "{{ data.a"}, "/steps/0/attachments/0/name", "invalid_template"),
        ({**INVOICE, "url": "x"}, "/steps/0/attachments/0/url", "unknown_field"),
        ("text", "/steps/0/attachments/0", "wrong_type"),
    ],
)
def test_each_mistake_has_its_place(file: Any, pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        step(file)
    assert (pointer, code) in {(each.pointer, each.code) for each in refused.value.errors}


def test_other_channels_bring_no_files() -> None:
    with pytest.raises(RequestRefused) as refused:
        read_document(document(INVOICE, channel="sms"))
    assert refused.value.errors[0].pointer == "/steps/0/attachments"


def test_there_are_not_too_many() -> None:
    with pytest.raises(RequestRefused, match="mistakes"):
        step(*[INVOICE] * (attachments.ATTACHMENTS_MAX + 1))
