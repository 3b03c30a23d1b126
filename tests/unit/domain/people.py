"""Recipients, workflows and facts as the property tests of the domain draw them."""

from __future__ import annotations

from hypothesis import strategies as st

from tocsin.domain.case import ChannelFacts, Facts
from tocsin.domain.category import Category, Tenant
from tocsin.domain.preferences import Choice, Consent, Preferences, QuietHours
from tocsin.domain.recipient import Address, Recipient
from tocsin.domain.workflow import ChannelStep, Workflow, WorkflowDocument, compile_workflow

NOW_MS = 1_774_809_000_000
HOUR_MS = 3_600_000
CHANNELS = ("inbox", "push", "sms", "email")
CHANNEL_FACTS = {
    "inbox": ChannelFacts(configured=True, interrupts=False, needs_address=False),
    "push": ChannelFacts(configured=True, interrupts=True, needs_address=True),
    "sms": ChannelFacts(configured=True, interrupts=True, needs_address=True),
    "email": ChannelFacts(configured=True, interrupts=False, needs_address=True),
}

_channels = st.sampled_from(CHANNELS)
_keys = st.sampled_from(["orders", "news"])
_flags = st.dictionaries(_channels, st.booleans(), max_size=2)
_choices = st.dictionaries(_keys, st.builds(Choice, st.none() | st.booleans(), _flags), max_size=2)
_minutes = st.integers(0, 1_439)
_windows = st.builds(
    QuietHours, st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))), _minutes, _minutes
)
_preferences = st.builds(
    Preferences,
    _flags,
    _choices,
    _choices,
    st.lists(_windows, max_size=2).map(tuple),
    st.none() | st.integers(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS),
)
_consents = st.builds(
    Consent,
    _channels,
    st.none() | _keys,
    st.booleans(),
    st.just("form"),
    st.none(),
    st.integers(0, 5),
)


@st.composite
def _addresses(draw: st.DrawFn) -> tuple[Address, ...]:
    channels = draw(st.lists(st.sampled_from(["push", "sms", "email"]), max_size=4))
    return tuple(
        Address(
            number,
            channel,
            b"sealed",
            bytes([draw(st.integers(0, 9))]),
            verified_ms=draw(st.sampled_from([None, 5])),
            timezone=draw(st.sampled_from([None, "Asia/Tokyo"])),
            dead_ms=draw(st.sampled_from([None, None, None, 5])),
            needs_verification=draw(st.booleans()),
        )
        for number, channel in enumerate(channels, 1)
    )


def recipients(number: int) -> st.SearchStrategy[Recipient]:
    """Draw one recipient with that dense number."""
    return st.builds(
        Recipient,
        st.just(number),
        st.just(f"u{number}"),
        timezone=st.sampled_from([None, "Europe/Berlin", "America/New_York", "Nowhere"]),
        addresses=_addresses(),
        preferences=st.none() | _preferences,
        consents=st.lists(_consents, max_size=3).map(tuple),
        erased=st.sampled_from([False, False, False, True]),
    )


def population(size_max: int) -> st.SearchStrategy[list[Recipient]]:
    """Draw recipients with the numbers 1, 2, 3 and so on."""
    return st.integers(1, size_max).flatmap(
        lambda size: st.tuples(*(recipients(number) for number in range(1, size + 1))).map(list)
    )


def build_workflow(**fields: object) -> Workflow:
    """Return a workflow with one step per channel, and what *fields* say."""
    steps = tuple(ChannelStep(channel, channel, {"title": "t"}) for channel in CHANNELS)
    plain: dict[str, object] = {"key": "orders", "on": ("orders",), "steps": steps}
    document = WorkflowDocument(**{**plain, **fields})  # type: ignore[arg-type]  # by name
    return compile_workflow(document, 1)


def workflows() -> st.SearchStrategy[Workflow]:
    """Draw a workflow of the steps inbox, push, sms, email."""
    return st.builds(
        build_workflow,
        category=_keys,
        lane=st.sampled_from(["critical", "transactional", "bulk"]),
        required=st.sampled_from([False, False, True]),
        channels=_flags,
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Draw facts in which everything may be otherwise."""
    channels = {
        name: ChannelFacts(
            configured=draw(st.sampled_from([True, True, False])),
            interrupts=each.interrupts,
            needs_address=each.needs_address,
        )
        for name, each in CHANNEL_FACTS.items()
    }
    places = st.sampled_from(["", *CHANNELS])
    return Facts(
        now_ms=draw(st.integers(NOW_MS - 48 * HOUR_MS, NOW_MS + 48 * HOUR_MS)),
        channels=channels,
        category=draw(
            st.none() | st.builds(Category, st.just("c"), st.just(""), _flags, st.booleans())
        ),
        tenant=draw(st.none() | st.builds(Tenant, st.just("t"), st.just(""), _flags, _choices)),
        suppressed=draw(st.sets(st.tuples(st.integers(1, 6), places), max_size=2)),
        suppressed_digests=draw(
            st.dictionaries(
                st.tuples(st.integers(0, 9).map(lambda n: bytes([n])), places),
                st.sampled_from(["", "stop"]),
                max_size=2,
            )
        ),
        workflow_active=draw(st.sampled_from([True, True, True, False])),
    )


EXPIRIES = st.none() | st.integers(NOW_MS - 24 * HOUR_MS, NOW_MS + 72 * HOUR_MS)
