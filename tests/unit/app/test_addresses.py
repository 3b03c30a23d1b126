"""Addresses: one normal form for each kind, and nothing private in a webhook."""

from __future__ import annotations

import contextlib

import email_validator
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tocsin.app.addresses import mask, normal_email, normal_phone, normalise
from tocsin.domain.urls import public_url
from tocsin.errors import RequestRefused

_LOCAL = st.text("abcXYZ019._+-", min_size=1, max_size=70)
_DOMAIN = st.text("abcXYZ019.-", min_size=1, max_size=70)
_TOP = st.sampled_from(["org", "com", "test", "local", "invalid", "arpa", "x", "c0m", "museum"])


@given(_LOCAL, _DOMAIN, _TOP)
def test_the_quick_way_and_the_library_agree_about_plain_addresses(
    local: str, domain: str, top: str
) -> None:
    address = f"{local}@{domain}.{top}"
    try:
        found = email_validator.validate_email(
            address, check_deliverability=False, test_environment=True, strict=True
        )
    except email_validator.EmailNotValidError:
        with pytest.raises(RequestRefused):
            normal_email(address)
    else:
        assert normal_email(address) == found.normalized


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("Ana@Example.ORG", "Ana@example.org"),
        ("ana@bücher.example.com", "ana@bücher.example.com"),
        ("jörg@example.com", "jörg@example.com"),
    ],
)
def test_email_addresses_have_one_form(given_: str, normal: str) -> None:
    assert normal_email(given_) == normal


@pytest.mark.parametrize(
    "bad",
    [
        "a@b",
        "a b@example.org",
        "a@example.org,b@example.org",
        "a@example.org\nBcc: x@example.org",
        "=?utf-8?q?a=0ABcc:_x?=@example.org\r\n",
        "Ana <ana@example.org>",
        "ana@[127.0.0.1]",
        "",
        "@",
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".org",
        "a@" + "b." * 130 + "org",
    ],
)
def test_what_is_no_mailbox_is_refused(bad: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        normal_email(bad)
    assert refused.value.code == "invalid_email"


@pytest.mark.parametrize(
    ("given_", "normal"),
    [
        ("+34 612 345 678", "+34612345678"),
        ("+34612345678", "+34612345678"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("tel:+1-201-555-0123", "+12015550123"),
        ("+39 06 1234 5678", "+390612345678"),
    ],
)
def test_phone_numbers_become_e164(given_: str, normal: str) -> None:
    assert normal_phone(given_) == normal
    assert normal_phone(normal) == normal


@given(
    st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)),
    st.text("0123456789", min_size=1, max_size=13),
)
@settings(max_examples=1_000)
def test_the_quick_way_and_the_library_agree_about_numbers(code: int, national: str) -> None:
    text = f"+{code}{national}"
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        with pytest.raises(RequestRefused):
            normal_phone(text)
        return
    if phonenumbers.is_possible_number(number):
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert normal_phone(text) == e164
    else:
        with pytest.raises(RequestRefused):
            normal_phone(text)


@pytest.mark.parametrize(
    "bad", ["612345678", "+", "+34", "+999123456789", "phone", "+34" + "6" * 20]
)
def test_what_is_no_number_of_a_country_is_refused(bad: str) -> None:
    with pytest.raises(RequestRefused):
        normal_phone(bad)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "http://example.com:8080/a?b=c",
        "https://xn--bcher-kva.example.com/",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1::1]/",
        "https://sub-domain.example.co.uk./x",
    ],
)
def test_public_webhooks_are_taken(url: str) -> None:
    assert public_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "gopher://example.com/",
        "file:///etc/passwd",
        "https://",
        "example.com/hook",
        "http://user:pass@example.com/",
        "http://a@127.0.0.1",
        "http://127.0.0.1#@example.com",
        "http://example.com/#part",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/",
        "http://example.com/\t",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://x.localhost/",
        "http://printer.local/",
        "http://metadata.google.internal/",
        "http://intranet/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://①②⑦.⓪.⓪.①/",
        "http://10.1.2.3/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://172.20.0.1/",
        "http://192.0.0.8/",
        "http://192.168.1.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001::1]/",
        "http://[2001:db8::1]/",
        "http://[3fff::1]/",
        "http://[5f00::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fc00::1]/",
        "http://[fec0::1]/",
        "http://[ff02::1]/",
        "https://example.com/" + "a" * 2_100,
    ],
)
def test_webhooks_that_could_reach_inside_are_refused(url: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        public_url(url)
    assert refused.value.code == "invalid_url"


@given(st.text(max_size=60))
def test_no_text_makes_the_check_of_urls_fail(text: str) -> None:
    for url in (text, f"http://{text}", f"https://{text}/x"):
        with contextlib.suppress(RequestRefused):
            assert public_url(url) == url


def test_a_browsers_subscription_has_one_form() -> None:
    one = '{"endpoint": "https://push.example.com/x", "keys": {"auth": "a", "p256dh": "p"}}'
    two = '{"keys":{"p256dh":"p","auth":"a"},"expirationTime":null,"endpoint":"https://push.example.com/x"}'

    assert normalise("push", "webpush", one) == normalise("push", "webpush", two)


@pytest.mark.parametrize(
    ("channel", "value", "shown"),
    [
        ("email", "ana@example.org", "a…@example.org"),
        ("sms", "+34612345678", "+34…78"),
        ("webhook", "https://example.com/hooks/secret", "https://example.com/…"),
        ("push", "a" * 60 + "wxyz", "…wxyz"),
        ("chat", "U1", "…"),
        ("chat", "https://hooks.slack.com/services/T/B/secret", "https://hooks.slack.com/…"),
    ],
)
def test_a_mask_tells_one_from_another_and_no_more(channel: str, value: str, shown: str) -> None:
    assert mask(channel, value) == shown


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        ("slack", "C0123ABCD"),
        ("slack", "#ops-alerts"),
        ("slack", "https://hooks.slack.com/services/T0/B0/x"),
        ("teams", "https://x.01.environment.api.powerplatform.com:443/workflows/a?sig=b%2F"),
        ("discord", "https://discord.com/api/webhooks/123456/ab-c_d?thread_id=777777"),
        ("telegram", "-1001234567890"),
        ("telegram", "@shop_news"),
        ("whatsapp", "+34612345678"),
        ("whatsapp", "US.13491208655302741918"),
        ("whatsapp", "US.ENT.11815799212886844830"),
        ("other", "anything-at-all"),
        (None, "https://chat.example/hook"),
        (None, "U1"),
    ],
)
def test_each_chat_platform_has_its_addresses(provider: str | None, value: str) -> None:
    assert normalise("chat", provider, value) == value


@pytest.mark.parametrize(
    ("provider", "value"),
    [
        ("slack", "ops"),
        ("slack", "https://hooks.slack.com.evil.test/services/T0"),
        ("slack", "http://hooks.slack.com/services/T0"),
        ("teams", "C0123ABCD"),
        ("teams", "https://127.0.0.1/x"),
        ("discord", "https://discord.com/api/webhooks/123456"),
        ("discord", "https://evil.test/api/webhooks/123456/x"),
        ("telegram", "0123"),
        ("telegram", "shop"),
        ("whatsapp", "12"),
        ("whatsapp", "us.1349"),
        ("whatsapp", "US.13 49"),
        (None, "two words"),
        (None, "http://10.0.0.1/"),
    ],
)
def test_what_is_no_address_of_the_platform_is_refused(provider: str | None, value: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        normalise("chat", provider, value)
    assert refused.value.code in {"invalid_chat", "invalid_url", "invalid_phone"}
    assert value not in refused.value.detail
