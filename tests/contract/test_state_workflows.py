"""What every store of workflows, categories and tenants guarantees."""

from __future__ import annotations

from tests.contract.state_stores import StateStores
from tocsin.domain.category import Category, Tenant
from tocsin.ports.state import StoredWorkflow


async def test_a_draft_is_replaced_and_is_no_version(state: StateStores) -> None:
    workflows = await state.workflows()
    await workflows.put_draft(StoredWorkflow("hello", 0, b"1", 10, by="ada"))
    await workflows.put_draft(StoredWorkflow("hello", 0, b"2", 20, by="bob"))

    assert await workflows.draft("hello") == StoredWorkflow("hello", 0, b"2", 20, by="bob")
    assert await workflows.versions("hello") == []
    assert await workflows.published() == []
    assert await workflows.draft("other") is None


async def test_versions_count_up_and_the_newest_is_the_published_one(state: StateStores) -> None:
    workflows = await state.workflows()
    first = await workflows.publish("hello", b"1", "ada", 10)
    second = await workflows.publish("hello", b"2", "ada", 20)
    other = await workflows.publish("bye", b"3", "bob", 30)
    await state.reopen()
    workflows = await state.workflows()

    assert (first.version, second.version, other.version) == (1, 2, 1)
    assert await workflows.versions("hello") == [second, first]
    assert await workflows.published() == [other, second]
    assert await workflows.version("hello", 1) == first
    assert await workflows.version("hello", 3) is None


async def test_switching_off_holds_for_all_versions_until_the_next_is_published(
    state: StateStores,
) -> None:
    workflows = await state.workflows()
    await workflows.publish("hello", b"1", "ada", 10)

    assert await workflows.set_active("hello", False, 20)
    assert not await workflows.set_active("other", False, 20)
    assert [w.active for w in await workflows.published()] == [False]
    await workflows.publish("hello", b"2", "ada", 30)
    assert [w.active for w in await workflows.versions("hello")] == [True, True]


async def test_categories_and_tenants_are_replaced_by_key(state: StateStores) -> None:
    workflows = await state.workflows()
    await workflows.put_category(Category("orders", name="Orders"), 10)
    await workflows.put_category(Category("orders", name="Your orders"), 20)
    await workflows.put_category(Category("ads", channels={"sms": False}), 20)
    await workflows.put_tenant(Tenant("acme", name="Acme"), 10)
    await state.reopen()
    workflows = await state.workflows()

    assert await workflows.categories() == [
        Category("ads", channels={"sms": False}),
        Category("orders", name="Your orders"),
    ]
    assert await workflows.tenants() == [Tenant("acme", name="Acme")]
