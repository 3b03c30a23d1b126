"""
Addresses: brought to one normal form, sealed, found again by digest, shown masked.

What belongs together in one place of the store: an address is sealed for its recipient and
channel, so that a row copied to somebody else cannot be opened there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import email_validator
import msgspec
import phonenumbers

from tocsin.app.chat_addresses import normal_chat
from tocsin.app.renewing import renewed
from tocsin.domain.phones import is_e164
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.urls import public_url
from tocsin.errors import FieldProblem, RequestRefused
from tocsin.ports.cache import Sealer

# What nearly every address looks like. The library takes 20 us for one, which is most of the
# time of an import; a test holds the two to one answer.
_PLAIN_EMAIL: Final = re.compile(
    r"(?P<local>[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)"
    r"@(?P<domain>(?:[a-z0-9](?:[a-z0-9]|-(?!-))*(?<!-)\.)+(?P<top>[a-z]{2,24}))\Z",
    re.ASCII | re.IGNORECASE,
)
_SPECIAL_TOPS: Final = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
_META_USER: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}\Z", re.ASCII)
_APNS_TOKEN: Final = re.compile(r"(?:[0-9a-f]{2}){32,100}\Z", re.ASCII)
_TOKEN_FORMS: Final = {
    "apns": "at least 64 hexadecimal digits",
    "fcm": "at least 20 letters, digits and _ : -",
}
_FCM_TOKEN: Final = re.compile(r"[A-Za-z0-9_:-]{20,4096}\Z", re.ASCII)


class PushKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a browser's subscription (RFC 8291), base64url."""

    p256dh: str
    auth: str


class PushSubscription(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a browser's ``PushManager`` gives (RFC 8030)."""

    endpoint: str
    keys: PushKeys
    expiration_time: float | None = None


class AddressBook:
    """Makes addresses from what the outside sends, and opens them again for who may see them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def make(
        self,
        recipient_id: str,
        number: int,
        channel: str,
        value: str,
        *,
        provider: str | None = None,
        app: str | None = None,
        secret: str | None = None,
        verified_ms: int | None = None,
        timezone: str | None = None,
        registered_ms: int = 0,
    ) -> Address:
        """Return a new address; *value* is normal already (`normalise`)."""
        place = _place(recipient_id, channel)
        return Address(
            number=number,
            channel=channel,
            sealed=self._sealer.seal(value, place=place),
            digest=self.digest(channel, value),
            provider=provider,
            app=app,
            sealed_secret=self._sealer.seal(secret, place=place + "/secret") if secret else None,
            verified_ms=verified_ms,
            timezone=timezone,
            registered_ms=registered_ms,
        )

    def digest(self, channel: str, value: str) -> bytes:
        """Return what finds equal addresses: a number is the same for text and voice."""
        kind = "phone" if channel in {"sms", "voice"} else channel
        return self._sealer.digest(value, place=f"address/{kind}")

    def open(self, recipient: Recipient, address: Address) -> str:
        """Return the address itself; raises `tocsin.errors.Unavailable` without the key."""
        return self._sealer.open(address.sealed, place=_place(recipient.id, address.channel))

    def open_secret(self, recipient: Recipient, address: Address) -> str | None:
        """Return the signing secret of a webhook."""
        if address.sealed_secret is None:
            return None
        place = _place(recipient.id, address.channel) + "/secret"
        return self._sealer.open(address.sealed_secret, place=place)

    def renewed(self, recipient: Recipient) -> Recipient:
        """Return *recipient* with all that is sealed under the newest key: itself if it is."""
        old = recipient.addresses
        new = tuple([self._renewed(recipient.id, address) for address in old])
        if all(after is before for before, after in zip(old, new, strict=True)):
            return recipient
        return msgspec.structs.replace(recipient, addresses=new)

    def _renewed(self, id: str, address: Address) -> Address:
        place = _place(id, address.channel)
        sealed, secret = renewed(self._sealer, address.sealed, place), address.sealed_secret
        if secret is not None:
            secret = renewed(self._sealer, secret, place + "/secret")
        if sealed is address.sealed and secret is address.sealed_secret:
            return address
        return msgspec.structs.replace(address, sealed=sealed, sealed_secret=secret)


def normalise(channel: str, provider: str | None, value: str) -> str:
    """
    Return *value* in the one normal form of its kind.

    Raises `RequestRefused` with a code of its own for each kind; never repeats the value.
    """
    if channel == "push":
        return _device(provider, value)
    if channel == "chat":
        return _whatsapp(value) if provider == "whatsapp" else normal_chat(provider, value)
    try:
        return _NORMAL[channel](value)
    except KeyError:
        known = ", ".join(sorted((*_NORMAL, "chat", "push")))
        raise RequestRefused(
            f"channels with addresses are {known}", code="unknown_channel"
        ) from None


def normal_email(value: str) -> str:
    """Return an address with its domain in lower case; raises `RequestRefused`."""
    plain = _PLAIN_EMAIL.match(value)
    if plain is not None and len(value) <= 254 and len(plain["local"]) <= 64:
        domain = plain["domain"].lower()
        labels_fit = len(domain) < 64 or max(map(len, domain.split("."))) <= 63
        if labels_fit and plain["top"].lower() not in _SPECIAL_TOPS:
            return f"{plain['local']}@{domain}"
    try:
        # Whether the domain takes mail is found out by sending: a check here would make
        # accepting a profile depend on somebody's name server. `.test` is for trying out.
        found = email_validator.validate_email(
            value, check_deliverability=False, test_environment=True, strict=True
        )
    except email_validator.EmailNotValidError:
        raise RequestRefused("is not an email address", code="invalid_email") from None
    return found.normalized


def _whatsapp(value: str) -> str:
    """Return a number, or Meta's id of somebody who hides hers."""
    return value if _META_USER.match(value) is not None else normal_phone(value)


def normal_phone(value: str) -> str:
    """Return a number as E.164 writes it; raises `RequestRefused`."""
    if _is_plain_e164(value):
        return value
    refusal = "is not a phone number in international form, which begins with +"
    try:
        number = phonenumbers.parse(value[:64], None)
    except phonenumbers.NumberParseException:
        raise RequestRefused(refusal, code="invalid_phone") from None
    if not phonenumbers.is_possible_number(number):
        raise RequestRefused(refusal, code="invalid_phone")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_plain_e164(value: str) -> bool:
    """
    Return whether *value* is E.164 already and possible, which the library takes 22 us to say.

    It is when nothing after the country's code could be a national prefix (a trunk zero, for
    example), which the library would drop.
    """
    if not is_e164(value):
        return False
    for end in (2, 3, 4):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(value[1:end]))
        if regions is not None:
            national = value[end:]
            prefix = _national_prefix(regions[0])
            if national[:1] == "0" or prefix is None or prefix.match(national):
                return False
            number = phonenumbers.PhoneNumber(int(value[1:end]), int(national))
            return phonenumbers.is_possible_number(number)
    return False


@lru_cache(maxsize=512)
def _national_prefix(region: str) -> re.Pattern[str] | None:
    """None for what is no country: its numbers take the long way."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None:
        return None
    return re.compile(metadata.national_prefix_for_parsing or r"(?!)")


def mask(channel: str, value: str) -> str:
    """Return what may be shown of an address to who must not see it."""
    if channel == "email":
        local, _, domain = value.rpartition("@")
        return f"{local[:1]}…@{domain}"
    if channel == "webhook" or (channel == "chat" and value.startswith("https://")):
        return f"{urlsplit(value).scheme}://{urlsplit(value).hostname}/…"
    if channel in {"sms", "voice"}:
        return f"{value[:3]}…{value[-2:]}"
    return f"…{value[-4:]}" if len(value) >= 20 else "…"


def device_address(token: str | None, subscription: PushSubscription | None) -> str:
    """Return the text that is the address of a device; raises `RequestRefused`."""
    if (token is None) == (subscription is None):
        raise RequestRefused("give either a token or a subscription", code="invalid_device")
    if subscription is not None:
        return msgspec.json.encode(subscription).decode()
    assert token is not None
    return token


def address_field(channel: str, provider: str | None, value: str) -> str:
    """Return *value* as `normalise` does; what is wrong with it is said of the field ``address``."""
    try:
        return normalise(channel, provider, value)
    except RequestRefused as refused:
        problem = FieldProblem("/address", refused.code, refused.detail)
        raise RequestRefused("a field is wrong, see errors", errors=(problem,)) from None


def _device(provider: str | None, value: str) -> str:
    if provider == "apns" and _APNS_TOKEN.match(value.lower()):
        return value.lower()
    if provider == "fcm" and _FCM_TOKEN.match(value):
        return value
    if provider == "webpush":
        return _subscription(value)
    if provider in _TOKEN_FORMS:
        form = _TOKEN_FORMS[provider]
        raise RequestRefused(f"is not a device token of {provider}: {form}", code="invalid_device")
    raise RequestRefused("a device needs a provider: apns, fcm or webpush", code="unknown_provider")


def _subscription(value: str) -> str:
    try:
        found = msgspec.json.decode(value, type=PushSubscription)
    except (msgspec.DecodeError, RecursionError):
        raise RequestRefused("is not a browser's subscription", code="invalid_device") from None
    if not found.endpoint.startswith("https://"):
        raise RequestRefused("the endpoint must begin with https://", code="invalid_device")
    public_url(found.endpoint)
    # The browser's own field for expiry says nothing about where to send.
    return msgspec.json.encode(
        {"endpoint": found.endpoint, "keys": found.keys}, order="sorted"
    ).decode()


def _place(recipient_id: str, channel: str) -> str:
    return f"address/{channel}/{recipient_id}"


_NORMAL: Final[Mapping[str, Callable[[str], str]]] = {
    "email": normal_email,
    "sms": normal_phone,
    "voice": normal_phone,
    "webhook": public_url,
}
