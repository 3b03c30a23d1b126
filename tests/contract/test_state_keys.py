"""What every store of API keys guarantees."""

from __future__ import annotations

import hashlib

import msgspec

from tests.contract.state_stores import StateStores
from tocsin.ports.state import ApiKey

SECRET = b"tcs_do_not_store_me"


def key(id_: str, **fields: object) -> ApiKey:
    digest = hashlib.sha256(SECRET).digest()
    return msgspec.structs.replace(ApiKey(id_, "Shop", digest, ("producer",)), **fields)


async def test_added_keys_are_there_at_once_and_after_a_restart(state: StateStores) -> None:
    keys = await state.keys()
    assert await keys.all() == []
    await keys.add(key("b", sources=("shop",), rate_per_s=10))
    await keys.add(key("a", expires_ms=99))

    expected = [key("a", expires_ms=99), key("b", sources=("shop",), rate_per_s=10)]
    assert await keys.all() == expected
    await state.reopen()
    assert await (await state.keys()).all() == expected


async def test_a_revoked_key_is_kept_with_the_time_of_its_first_revocation(
    state: StateStores,
) -> None:
    keys = await state.keys()
    await keys.add(key("a"))
    await keys.all()

    assert await keys.revoke("a", 50)
    assert await keys.revoke("a", 60)
    assert not await keys.revoke("b", 50)
    assert await keys.all() == [key("a", revoked_ms=50)]


async def test_adding_a_key_again_does_not_bring_it_back(state: StateStores) -> None:
    keys = await state.keys()
    await keys.add(key("a"))
    await keys.revoke("a", 50)
    await keys.add(key("a"))

    assert await keys.all() == [key("a", revoked_ms=50)]
