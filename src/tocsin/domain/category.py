"""Categories, which people switch on and off, and tenants, which are customers' organisations."""

from __future__ import annotations

import msgspec

from tocsin.domain.channels import CHANNEL_FIELDS
from tocsin.domain.preferences import Choice
from tocsin.domain.preferences_read import read_choice, show_choice
from tocsin.domain.reading import Notes, Reader


class Category(msgspec.Struct, frozen=True):
    """``channels`` are the defaults for who has chosen nothing."""

    key: str
    name: str = ""
    channels: dict[str, bool] = {}
    hold_email_in_quiet_hours: bool = False


class Tenant(msgspec.Struct, frozen=True):
    """Defaults for the recipients of one organisation's events."""

    key: str
    name: str = ""
    channels: dict[str, bool] = {}
    categories: dict[str, Choice] = {}


def read_category(key: str, value: object) -> Category:
    """Read the body of ``PUT /v1/categories/{key}``; raises `RequestRefused`."""
    notes = Notes()
    fields = {"key", "name", "channels", "hold_email_in_quiet_hours"}
    reader = Reader(value, "", notes, fields)
    _same_key(reader, key)
    category = Category(
        key=key,
        name=reader.text("name") or "",
        channels=reader.flags("channels", CHANNEL_FIELDS),
        hold_email_in_quiet_hours=bool(reader.flag("hold_email_in_quiet_hours")),
    )
    notes.finish("the category cannot be read")
    return category


def show_category(category: Category) -> dict[str, object]:
    """Return the document that `read_category` reads."""
    shown: dict[str, object] = {"key": category.key, "channels": dict(category.channels)}
    if category.name:
        shown["name"] = category.name
    shown["hold_email_in_quiet_hours"] = category.hold_email_in_quiet_hours
    return shown


def read_tenant(key: str, value: object) -> Tenant:
    """Read the body of ``PUT /v1/tenants/{key}``; raises `RequestRefused`."""
    notes = Notes()
    reader = Reader(value, "", notes, {"key", "name", "channels", "categories", "branding"})
    _same_key(reader, key)
    if reader.get("branding") is not None:
        reader.note("branding", "not_built", "branding is not there yet")
    categories = Reader(reader.get("categories") or {}, reader.at("categories"), notes, None)
    tenant = Tenant(
        key=key,
        name=reader.text("name") or "",
        channels=reader.flags("channels", CHANNEL_FIELDS),
        categories={name: read_choice(categories, name) for name in categories.fields},
    )
    notes.finish("the tenant cannot be read")
    return tenant


def show_tenant(tenant: Tenant) -> dict[str, object]:
    """Return the document that `read_tenant` reads."""
    shown: dict[str, object] = {"key": tenant.key, "channels": dict(tenant.channels)}
    if tenant.name:
        shown["name"] = tenant.name
    shown["categories"] = {key: show_choice(each) for key, each in tenant.categories.items()}
    return shown


def _same_key(reader: Reader, key: str) -> None:
    given = reader.key("key")
    if given is not None and given != key:
        reader.note("key", "contradiction", "the address names another key")
