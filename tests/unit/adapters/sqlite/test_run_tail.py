"""The youngest entries of an index: keys that come again, and what is taken back."""

from __future__ import annotations

import pytest

from tocsin.adapters.sqlite.run_tail import Addition, Generation


def found(generation: Generation, key: bytes) -> list[bytes]:
    into: dict[bytes, list[bytes]] = {}
    generation.find([key], into)
    return into.get(key, [])


@pytest.mark.parametrize("first", [[b"kA"], [b"kA", b"kB"]])
def test_a_key_holds_all_of_its_entries(first: list[bytes]) -> None:
    generation = Generation(1)
    generation.add(Addition(1, 0, first))
    generation.add(Addition(2, 0, [b"kC", b"nA"]))
    generation.add(Addition(3, 0, [b"kC", b"mA"]))
    assert found(generation, b"k") == [*first, b"kC", b"kC"]
    assert generation.retract(3)
    assert found(generation, b"k") == [*first, b"kC"]
    assert found(generation, b"m") == []
    assert generation.retract(2)
    assert generation.retract(1)
    assert found(generation, b"k") == found(generation, b"n") == []
    assert generation.entries == 0
