"""Sealing: what opens, what does not, and what is never shown."""

from __future__ import annotations

import pytest

from tocsin.adapters.sealing import AesSealer, SealBroken
from tocsin.adapters.system import SystemChance
from tocsin.errors import Unavailable

OLD, NEW = b"o" * 32, b"n" * 32


def sealer(*keys: bytes) -> AesSealer:
    return AesSealer(keys, SystemChance())


def test_what_was_sealed_opens_in_its_place() -> None:
    seal = sealer(OLD)

    sealed = seal.seal("ada@example.org", place="address/1")

    assert seal.open(sealed, place="address/1") == "ada@example.org"
    assert b"ada" not in sealed
    assert seal.seal("ada@example.org", place="address/1") != sealed


def test_it_opens_nowhere_else() -> None:
    sealed = sealer(OLD).seal("ada@example.org", place="address/1")

    with pytest.raises(SealBroken):
        sealer(OLD).open(sealed, place="address/2")


@pytest.mark.parametrize("at", [5, 16, 17, -1], ids=["nonce", "nonce end", "text", "tag"])
def test_a_changed_byte_is_noticed(at: int) -> None:
    sealed = bytearray(sealer(OLD).seal("ada@example.org", place="address/1"))
    sealed[at] ^= 1

    with pytest.raises(SealBroken):
        sealer(OLD).open(bytes(sealed), place="address/1")


@pytest.mark.parametrize("length", [0, 4, 17, 20])
def test_what_was_cut_off_is_noticed(length: int) -> None:
    sealed = sealer(OLD).seal("ada@example.org", place="address/1")

    with pytest.raises((SealBroken, Unavailable)):
        sealer(OLD).open(sealed[:length], place="address/1")


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    before = sealer(OLD).seal("ada", place="p")
    rotated = sealer(NEW, OLD)

    assert rotated.open(before, place="p") == "ada"
    with pytest.raises(Unavailable):
        sealer(OLD).open(rotated.seal("ada", place="p"), place="p")
    with pytest.raises(Unavailable):
        sealer(NEW).open(before, place="p")


def test_digests_find_equal_values_of_a_place_across_a_rotation() -> None:
    digest = sealer(OLD).digest("ada", place="email")

    assert len(digest) == 16
    assert sealer(NEW, OLD).digest("ada", place="email") == digest
    assert sealer(NEW).digest("ada", place="email") != digest
    assert sealer(OLD).digest("ada", place="sms") != digest
    assert sealer(OLD).digest("mailada", place="e") != sealer(OLD).digest("ada", place="email")


def test_keys_are_never_shown() -> None:
    secret = bytes(range(65, 97))

    assert secret.decode() not in repr(sealer(secret)) + str(vars(sealer(secret)))


@pytest.mark.parametrize("keys", [(), (b"short",)])
def test_weak_keys_are_refused(keys: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        sealer(*keys)
