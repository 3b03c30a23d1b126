"""Categories, which people switch on and off, and tenants, which are customers' organisations."""

from __future__ import annotations

import msgspec

from tocsin.domain.preferences import Choice


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
    raise NotImplementedError


def show_category(category: Category) -> dict[str, object]:
    """Return the document that `read_category` reads."""
    raise NotImplementedError


def read_tenant(key: str, value: object) -> Tenant:
    """Read the body of ``PUT /v1/tenants/{key}``; raises `RequestRefused`."""
    raise NotImplementedError


def show_tenant(tenant: Tenant) -> dict[str, object]:
    """Return the document that `read_tenant` reads."""
    raise NotImplementedError
