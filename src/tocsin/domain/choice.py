"""
Which choice counts when several levels say something.

What a recipient has switched off at one level no true at another switches on. Otherwise her own true
counts, and otherwise the most specific default: the workflow's, the category's, the tenant's, and
in the end the product's, which is on except where a message costs or rings in the lane bulk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tocsin.domain.category import Category, Tenant
from tocsin.domain.channels import OFF_IN_BULK
from tocsin.domain.preferences import Choice, Consent, Preferences
from tocsin.domain.recipient import Recipient
from tocsin.domain.workflow import Workflow

_PREFERENCES = "recipient.preferences"


class Answer(NamedTuple):
    """``rule`` names the place that decided; ``own`` says whether it is the recipient's."""

    allowed: bool
    rule: str
    own: bool


_REQUIRED = Answer(True, "workflow.required", False)
_PRODUCT_ON = Answer(True, "product", False)


def choose(
    workflow: Workflow,
    channel: str,
    recipient: Recipient,
    *,
    category: Category | None,
    tenant: Tenant | None,
) -> Answer:
    """Return whether *recipient* lets *workflow* use *channel*, and by which rule."""
    if workflow.required:
        return _REQUIRED
    if recipient.preferences is not None or recipient.consents:
        own = _own(workflow, channel, recipient)
        if own is not None:
            return own
    return default_choice(workflow, channel, category=category, tenant=tenant)


def default_choice(
    workflow: Workflow, channel: str, *, category: Category | None, tenant: Tenant | None
) -> Answer:
    """Return what holds for those who have chosen nothing."""
    on = workflow.channels.get(channel)
    if on is not None:
        return Answer(on, f"workflow.channels.{channel}", False)
    if category is not None:
        on = category.channels.get(channel)
        if on is not None:
            return Answer(on, f"category.channels.{channel}", False)
    if tenant is not None:
        answer = _tenant_default(workflow.category, channel, tenant)
        if answer is not None:
            return answer
    if channel in OFF_IN_BULK and workflow.lane == "bulk":
        return Answer(False, f"product.bulk.{channel}", False)
    return _PRODUCT_ON


def _tenant_default(category: str, channel: str, tenant: Tenant) -> Answer | None:
    choice = tenant.categories.get(category)
    place = f"tenant.categories.{category}"
    if choice is not None and channel in choice.channels:
        return Answer(choice.channels[channel], f"{place}.channels.{channel}", False)
    if choice is not None and choice.on is not None:
        return Answer(choice.on, place, False)
    if channel in tenant.channels:
        return Answer(tenant.channels[channel], f"tenant.channels.{channel}", False)
    return None


def _own(workflow: Workflow, channel: str, recipient: Recipient) -> Answer | None:
    said = None
    for on, rule in own_choices(workflow, channel, recipient):
        if not on:
            return Answer(False, rule, True)
        said = said or Answer(True, rule, True)
    return said


def own_choices(
    workflow: Workflow, channel: str, recipient: Recipient
) -> Iterator[tuple[bool, str]]:
    """Yield (on, rule) for every choice of *recipient* that applies here."""
    preferences = recipient.preferences
    if preferences is not None:
        if channel in preferences.channels:
            yield preferences.channels[channel], f"{_PREFERENCES}.channels.{channel}"
        yield from _level(preferences.categories, "categories", workflow.category, channel)
        yield from _level(preferences.workflows, "workflows", workflow.key, channel)
    for (where, category), given in newest_consents(recipient.consents).items():
        if where == channel and category in {None, workflow.category}:
            place = channel if category is None else f"{channel}.{category}"
            yield given, f"recipient.consents.{place}"


def _level(
    choices: Mapping[str, Choice], level: str, key: str, channel: str
) -> Iterator[tuple[bool, str]]:
    choice = choices.get(key)
    if choice is None:
        return
    if channel in choice.channels:
        yield choice.channels[channel], f"{_PREFERENCES}.{level}.{key}.channels.{channel}"
    if choice.on is not None:
        yield choice.on, f"{_PREFERENCES}.{level}.{key}"


def newest_consents(consents: tuple[Consent, ...]) -> dict[tuple[str, str | None], bool]:
    """Return what the newest entry of each (channel, category) says; of equal times the later."""
    in_order = sorted(consents, key=lambda consent: consent.at_ms)
    return {(each.channel, each.category): each.given for each in in_order}


def all_choices(preferences: Preferences) -> Iterator[tuple[str, bool]]:
    """Yield every choice of a document as (place, on): ``channel/sms``, ``category/a/push``."""
    for channel, on in preferences.channels.items():
        yield f"channel/{channel}", on
    for level, choices in (
        ("category", preferences.categories),
        ("workflow", preferences.workflows),
    ):
        for key, choice in choices.items():
            if choice.on is not None:
                yield f"{level}/{key}", choice.on
            for channel, on in choice.channels.items():
                yield f"{level}/{key}/{channel}", on
