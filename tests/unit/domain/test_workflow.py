"""A workflow's document: read with every mistake, shown again, compiled."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.domain.audience import RecipientTerm
from tocsin.domain.by_hand import document_for_send
from tocsin.domain.rules import resolve
from tocsin.domain.workflow import Action, ChannelStep, compile_workflow, publish_warnings
from tocsin.domain.workflow_read import read_document, show_document
from tocsin.errors import NotBuilt, RequestRefused

DOCUMENT: dict[str, Any] = {
    "key": "order.shipped",
    "on": ["order.shipped", "order.sent"],
    "category": "orders",
    "lane": "transactional",
    "audience": {"path": "data.customer_id"},
    "expires_in": "2d",
    "schema": {"type": "object", "required": ["order"]},
    "channels": {"sms": False},
    "steps": [
        {
            "channel": "inbox",
            "title": "Order {{ data.order }} is on its way",
            "body": "It should reach you by {{ data.estimate | date }}.",
            "actions": [{"label": "Track", "url": "/orders/{{ data.order }}"}],
        },
        {"channel": "push"},
        {
            "channel": "email",
            "name": "mail",
            "subject": "On its way",
            "html": "<p>{{ recipient.name }}",
        },
    ],
}


def with_(**fields: object) -> dict[str, Any]:
    return {**DOCUMENT, **fields}


def push_with(options: object) -> dict[str, Any]:
    return with_(steps=[{"channel": "push", "title": "t", "options": options}])


def test_options_are_filled_in_where_they_are_templates() -> None:
    options = {
        "apns": {"thread_id": "{{ data.order }}", "relevance_score": 0.5, "data": {"a": [1, "b"]}},
        "fcm": {"data": {"for": "{{ recipient.name }}"}},
    }
    document = read_document(push_with(options))
    assert read_document(show_document(document)) == document
    (step,) = compile_workflow(document, 1).steps
    assert step.paths == {"data.order", "recipient.name"}
    assert step.personal
    context = {"data": {"order": 42}, "recipient": {"name": "Ana"}}
    assert step.options.of("apns", context) == {
        "thread_id": "42",
        "relevance_score": 0.5,
        "data": {"a": [1, "b"]},
    }
    assert step.options.of("fcm", context) == {"data": {"for": "Ana"}}
    assert step.options.of("webpush", context) == {}
    broken = read_document(push_with({"apns": {"data": {"x": ["{{ data.order"]}}}))
    with pytest.raises(RequestRefused) as refused:
        compile_workflow(broken, 1)
    assert [each.pointer for each in refused.value.errors] == ["/steps/0/options/apns/data/x/0"]


def test_a_document_is_read_and_shown_again() -> None:
    document = read_document(DOCUMENT)
    assert document.on == ("order.shipped", "order.sent")
    assert document.expires_in_ms == 2 * 86_400_000
    steps = [step for step in document.steps if isinstance(step, ChannelStep)]
    assert steps[0].actions == (Action("Track", "/orders/{{ data.order }}"),)
    assert [step.name for step in steps] == ["inbox", "push", "mail"]
    assert read_document(show_document(document)) == document


def test_only_key_and_steps_are_needed() -> None:
    document = read_document({"key": "a", "steps": [{"channel": "inbox", "title": "t"}]})
    assert (document.on, document.category, document.lane) == (("a",), "general", "transactional")
    assert (document.required, document.audience, document.schema) == (False, None, None)


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        (5, "", "wrong_type"),
        ({}, "/key", "missing"),
        ({}, "/steps", "empty"),
        (with_(key="a b"), "/key", "invalid_key"),
        (with_(categry="x"), "/categry", "unknown_field"),
        (with_(on=[]), "/on", "empty"),
        (with_(on=["a", 5]), "/on/1", "invalid_type"),
        (with_(on=["a\n"]), "/on/0", "invalid_type"),
        (with_(on=["a"] * 17), "/on", "too_many"),
        (with_(lane="fast"), "/lane", "invalid_value"),
        (with_(required="yes"), "/required", "wrong_type"),
        (with_(audience={"path": "customer"}), "/audience/path", "invalid_path"),
        (with_(expires_in="soon"), "/expires_in", "invalid_duration"),
        (with_(expires_in="0s"), "/expires_in", "invalid_duration"),
        (with_(expires_in="4000d"), "/expires_in", "invalid_duration"),
        (with_(schema=True), "/schema", "wrong_type"),
        (with_(channels={"smss": True}), "/channels/smss", "unknown_field"),
        (with_(steps=[]), "/steps", "empty"),
        (with_(steps={}), "/steps", "wrong_type"),
        (
            with_(steps=[{"channel": "inbox", "title": "t", "name": str(n)} for n in range(21)]),
            "/steps",
            "too_many",
        ),
        (with_(steps=[{"channel": "inbox"}]), "/steps/0", "missing"),
        (with_(steps=[{"channel": "pager", "title": "t"}]), "/steps/0/channel", "unknown_channel"),
        (with_(steps=["inbox"]), "/steps/0", "wrong_type"),
        (with_(steps=[{"channel": "inbox", "titel": "t"}]), "/steps/0/titel", "unknown_field"),
        (with_(steps=[{"channel": "inbox", "subject": "t"}]), "/steps/0/subject", "unknown_field"),
        (with_(steps=[{"channel": "inbox", "title": 5}]), "/steps/0/title", "wrong_type"),
        (
            with_(steps=[{"channel": "sms", "title": "t", "actions": []}]),
            "/steps/0/actions",
            "unknown_field",
        ),
        (
            with_(steps=[{"channel": "inbox", "title": "t", "actions": [{"label": "x"}]}]),
            "/steps/0/actions/0/url",
            "missing",
        ),
        (with_(steps=[{"channel": "inbox", "title": ""}]), "/steps/0/title", "empty"),
        (
            with_(steps=[{"channel": "push", "title": "", "url": ""}]),
            "/steps/0/url",
            "empty",
        ),
        (
            with_(steps=[{"channel": "push", "title": "", "body": ""}, {"channel": "sms"}]),
            "/steps/1",
            "missing",
        ),
        (with_(steps=[{"channel": "inbox", "title": "t"}] * 2), "/steps/1/name", "duplicate_name"),
        (push_with(5), "/steps/0/options", "wrong_type"),
        (push_with({"apns": 5}), "/steps/0/options/apns", "wrong_type"),
        (push_with({"a b": {}}), "/steps/0/options/a b", "invalid_key"),
        (push_with({"apns": {"a": "x" * 8_200}}), "/steps/0/options", "too_large"),
        (push_with({"apns": {"a": [[[[[[]]]]]]}}), "/steps/0/options/apns/a/0/0/0/0/0", "too_deep"),
        (
            with_(steps=[{"channel": "inbox", "title": "t", "options": {}}]),
            "/steps/0/options",
            "unknown_field",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(document: object, pointer: str, code: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        read_document(document)
    assert (pointer, code) in [(each.pointer, each.code) for each in refused.value.errors]


def test_a_mistake_in_a_name_comes_with_the_right_one() -> None:
    with pytest.raises(RequestRefused) as refused:
        read_document(with_(expires="2d"))
    assert "did you mean 'expires_in'?" in refused.value.errors[0].detail


@pytest.mark.parametrize("kind", ["digest", "throttle", "branch"])
def test_steps_that_come_later_are_refused_as_not_built(kind: str) -> None:
    with pytest.raises(NotBuilt) as refused:
        read_document(with_(steps=[*DOCUMENT["steps"], {kind: {"for": "30s"}}]))
    assert refused.value.code == "not_built"
    assert refused.value.errors[0].pointer == f"/steps/3/{kind}"
    # Beside a mistake it is one of the mistakes.
    with pytest.raises(RequestRefused) as both:
        read_document(with_(lane="fast", steps=[*DOCUMENT["steps"], {kind: {}}]))
    assert {each.code for each in both.value.errors} == {"not_built", "invalid_value"}
    assert both.value.code == "invalid"


def test_a_compiled_workflow_decides_and_renders() -> None:
    workflow = compile_workflow(read_document(DOCUMENT), 3)
    assert (workflow.key, workflow.version, workflow.channels) == (
        "order.shipped",
        3,
        {"sms": False},
    )
    assert workflow.audience is not None
    assert resolve(workflow.audience, {"customer_id": "ana"}) == (RecipientTerm("ana"),)
    inbox, push, mail = workflow.steps
    context = {"data": {"order": 42, "estimate": "2026-04-01"}, "recipient": {"name": "A&B"}}
    assert inbox.fields["title"].render(context) == "Order 42 is on its way"
    assert inbox.actions[0][1].render(context) == "/orders/42"
    # Push has no text of its own and takes the nearest earlier one; mail has.
    assert push.fields["body"].render(context) == "It should reach you by 2026-04-01."
    assert set(push.fields) == {"title", "body"}
    assert set(mail.fields) == {"subject", "html"}
    assert mail.fields["html"].render(context) == "<p>A&amp;B"
    assert (inbox.personal, push.personal, mail.personal) == (False, False, True)
    assert inbox.paths == {"data.order", "data.estimate"}


@pytest.mark.parametrize("channel", ["sms", "voice"])
def test_a_text_with_words_of_its_own_says_only_these(channel: str) -> None:
    steps = [{"channel": "inbox", "title": "Down", "body": "It is."}, {"channel": channel}]
    own = {"channel": channel, "name": "again", "body": "Still down"}
    workflow = compile_workflow(read_document({"key": "down", "steps": [*steps, own]}), 1)
    _, taken_over, said = workflow.steps
    assert {name: text.source for name, text in taken_over.fields.items()} == {
        "title": "Down",
        "body": "It is.",
    }
    assert {name: text.source for name, text in said.fields.items()} == {"body": "Still down"}


@pytest.mark.parametrize("channel", ["chat", "push"])
def test_messages_elsewhere_have_buttons_and_collapse_too(channel: str) -> None:
    step = {
        "channel": channel,
        "title": "t",
        "collapse_key": "disk-{{ data.disk }}",
        "actions": [{"label": "Open {{ data.disk }}", "url": "https://ops.test/{{ data.disk }}"}],
    }
    (compiled,) = compile_workflow(read_document(with_(steps=[step])), 1).steps
    context = {"data": {"disk": "a"}}
    assert compiled.fields["collapse_key"].render(context) == "disk-a"
    assert [part.render(context) for part in compiled.actions[0]] == [
        "Open a",
        "https://ops.test/a",
    ]


def test_a_step_takes_the_nearest_text() -> None:
    steps = (
        ChannelStep("inbox", "a", {"title": "first", "body": "one"}),
        ChannelStep("push", "b", {"url": "/x"}),
        ChannelStep("email", "c", {"title": "second"}),
        ChannelStep("sms", "d"),
    )
    document = read_document(DOCUMENT)
    compiled = compile_workflow(type(document)(key="k", on=("k",), steps=steps), 1).steps
    texts = [{name: each.source for name, each in step.fields.items()} for step in compiled]
    assert texts == [
        {"title": "first", "body": "one"},
        {"title": "first", "body": "one", "url": "/x"},
        {"title": "second", "body": "one"},
        {"title": "second", "body": "one"},
    ]


def test_a_push_may_say_nothing_and_hands_nothing_on() -> None:
    silent = {"channel": "push", "title": "", "body": ""}
    steps = [silent, {"channel": "inbox", "title": "t", "body": "b"}]
    steps += [{**silent, "name": "again"}, {"channel": "email"}]
    document = read_document(with_(steps=steps))
    compiled = compile_workflow(document, 1).steps
    said = [{name: text.render({}) for name, text in step.fields.items()} for step in compiled]
    nothing, text = {"title": "", "body": ""}, {"title": "t", "body": "b"}
    assert said == [nothing, text, nothing, text]
    assert read_document(show_document(document)) == document


def test_a_letter_takes_over_what_it_does_not_say_itself() -> None:
    steps = (
        ChannelStep("inbox", "a", {"title": "{{ recipient.name }}", "body": "one"}),
        ChannelStep("email", "b", {"subject": "On its way"}),
        ChannelStep("email", "c", {"html": "<p>page"}),
        ChannelStep("email", "d", {"subject": "On its way", "text": "text"}),
        ChannelStep("push", "e", {"body": "two"}),
    )
    document = read_document(DOCUMENT)
    compiled = compile_workflow(type(document)(key="k", on=("k",), steps=steps), 1).steps
    assert [set(step.fields) for step in compiled[1:]] == [
        {"title", "body", "subject"},
        {"title", "html"},
        {"subject", "text"},
        {"title", "body"},
    ]
    assert compiled[1].fields["body"].source == "one"
    assert compiled[4].fields["body"].source == "two"
    # What a letter does not show makes it nobody's in particular.
    assert [step.personal for step in compiled] == [True, True, True, False, True]


def test_every_bad_template_and_schema_is_named() -> None:
    steps = [
        {"channel": "inbox", "title": "{{ x }}", "body": "{% set a = 1 %}"},
        {"channel": "email", "html": "<script>"},
    ]
    document = read_document(with_(steps=steps, schema={"$ref": "https://example.org/s"}))
    with pytest.raises(RequestRefused) as refused:
        compile_workflow(document, 1)
    assert [each.pointer for each in refused.value.errors] == [
        "/schema/$ref",
        "/steps/0/title",
        "/steps/0/body",
        "/steps/1/html",
    ]


def test_publishing_warns_of_what_its_author_may_not_expect() -> None:
    workflow = compile_workflow(read_document(DOCUMENT), 1)
    (warning,) = publish_warnings(workflow, {"inbox", "email"})
    assert "'push'" in warning
    assert "channel_not_configured" in warning
    odd = with_(lane="bulk", required=True)
    del odd["audience"]
    warnings = publish_warnings(compile_workflow(read_document(odd), 1), {"inbox", "push", "email"})
    assert [warning[:20] for warning in warnings] == [
        "there is no audience",
        "required in the lane",
        "step 'mail': its tex",
    ]


def test_a_message_by_hand_is_a_document_too() -> None:
    content = {
        "title": "Hello",
        "body": "World",
        "html": "<b>World</b>",
        "url": "/x",
        "actions": [{"label": "Go", "url": "/y"}],
    }
    document = document_for_send(content, ["inbox", "email"], "bulk", "news")
    assert (document.key, document.lane, document.category) == ("tocsin.send", "bulk", "news")
    assert document.steps == (
        ChannelStep(
            "inbox",
            "inbox",
            {"title": "Hello", "body": "World", "url": "/x"},
            (Action("Go", "/y"),),
        ),
        ChannelStep(
            "email", "email", {"subject": "Hello", "text": "World", "html": "<b>World</b>"}
        ),
    )
    (step,) = document_for_send({"title": "a", "body": "b"}).steps
    assert isinstance(step, ChannelStep)
    assert step.channel == "inbox"


@pytest.mark.parametrize(
    ("content", "channels", "lane", "pointer"),
    [
        ({"title": "a"}, None, None, "/content/body"),
        ({"title": "a", "body": "b", "subject": "c"}, None, None, "/content/subject"),
        ("hello", None, None, "/content"),
        ({"title": "a", "body": "b"}, "inbox", None, "/channels"),
        ({"title": "a", "body": "b"}, ["pager"], None, "/channels/0"),
        ({"title": "a", "body": "b"}, [], None, "/channels"),
        ({"title": "a", "body": "b"}, ["inbox", "inbox"], None, "/channels/1"),
        ({"title": "a", "body": "b"}, [{}], None, "/channels/0"),
        ({"title": "a", "body": "b"}, None, "fast", "/lane"),
        (
            {"title": "a", "body": "b", "actions": [{"label": "x"}]},
            None,
            None,
            "/content/actions/0/url",
        ),
    ],
)
def test_a_message_by_hand_is_refused_in_its_own_terms(
    content: object, channels: object, lane: object, pointer: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        document_for_send(content, channels, lane)
    assert pointer in [each.pointer for each in refused.value.errors]
