"""Recipients' tokens: what they hold, when they end, and that none can be forged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.app.callers import TOKEN_SCOPES, Scope
from tocsin.app.tokens import TOKEN_MS_MAX, TOKEN_PREFIX, Tokens
from tocsin.errors import Unauthenticated

NOW_MS = 1_900_000_000_000
HOUR_MS = 3_600_000


class Wall:
    """A clock on the wall that tests set."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def tokens(wall: Wall) -> Tokens:
    return Tokens({1: b"a" * 32}, 1, wall_ms=wall)


@given(
    st.integers(1, 2**32 - 1),
    st.text(min_size=1, max_size=256).filter(lambda text: text.isprintable()),
    st.sets(st.sampled_from(TOKEN_SCOPES)),
)
def test_what_was_minted_is_read_back(number: int, id: str, scopes: set[Scope]) -> None:
    tokens = Tokens({1: b"a" * 32}, 1, wall_ms=lambda: NOW_MS)
    token, expires_ms = tokens.mint(number, id, scopes, lives_ms=HOUR_MS)

    caller = tokens.verify(token)

    assert (caller.recipient, caller.recipient_id) == (number, id)
    assert set(caller.scopes) == scopes
    assert caller.name == f"recipient:{number}"
    assert expires_ms == NOW_MS + HOUR_MS


@given(st.data())
def test_no_changed_token_counts(data: st.DataObject) -> None:
    tokens = Tokens({1: b"a" * 32}, 1, wall_ms=lambda: NOW_MS)
    token, _ = tokens.mint(7, "ana", TOKEN_SCOPES, lives_ms=HOUR_MS)
    place = data.draw(st.integers(len(TOKEN_PREFIX), len(token) - 2))
    other = data.draw(st.characters(codec="latin-1").filter(lambda c: c != token[place]))

    with pytest.raises(Unauthenticated):
        tokens.verify(token[:place] + other + token[place + 1 :])


@given(st.text(max_size=200))
def test_nonsense_is_refused_and_never_fails(text: str) -> None:
    tokens = Tokens({1: b"a" * 32}, 1, wall_ms=lambda: NOW_MS)

    with pytest.raises(Unauthenticated):
        tokens.verify(TOKEN_PREFIX + text)


def test_a_token_ends_at_its_time(tokens: Tokens, wall: Wall) -> None:
    token, expires_ms = tokens.mint(7, "ana", (), lives_ms=HOUR_MS)
    wall.ms = expires_ms - 1
    tokens.verify(token)
    wall.ms = expires_ms

    with pytest.raises(Unauthenticated, match="expired"):
        tokens.verify(token)


def test_no_token_outlives_the_longest_life(tokens: Tokens) -> None:
    assert tokens.mint(7, "ana", (), lives_ms=10**15)[1] == NOW_MS + TOKEN_MS_MAX


def test_a_key_is_changed_while_tokens_of_the_last_one_count(tokens: Tokens, wall: Wall) -> None:
    old, _ = tokens.mint(7, "ana", (), lives_ms=HOUR_MS)
    both = Tokens({1: b"a" * 32, 2: b"b" * 32}, 2, wall_ms=wall)
    new, _ = both.mint(7, "ana", (), lives_ms=HOUR_MS)
    last = Tokens({2: b"b" * 32}, 2, wall_ms=wall)

    assert both.verify(old).recipient == 7
    assert last.verify(new).recipient == 7
    with pytest.raises(Unauthenticated):
        last.verify(old)


def test_tokens_of_the_erased_end_at_once_and_others_go_on(tokens: Tokens, wall: Wall) -> None:
    ana, _ = tokens.mint(7, "ana", (), lives_ms=HOUR_MS)
    ben, _ = tokens.mint(8, "ben", (), lives_ms=HOUR_MS)
    tokens.end([7])

    with pytest.raises(Unauthenticated):
        tokens.verify(ana)
    assert tokens.verify(ben).recipient == 8
    wall.ms += TOKEN_MS_MAX + 1
    tokens.end([9])
    assert tokens._ended == {9: wall.ms}, "what no token outlives need not be remembered"
