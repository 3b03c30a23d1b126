"""Groups and their members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.endpoint import Answer, Call, Endpoint
from tocsin.api.shared import PageQuery, RecipientId, check_key, cursor_of
from tocsin.app.groups import MEMBERS_PER_CALL_MAX, Groups
from tocsin.app.texts import Line256


class GroupInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group's name for people."""

    name: Line256 | None = None


class GroupAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A group, with the number of its members."""

    key: str
    name: str | None
    members: int


class MembersInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recipients by id."""

    recipients: Annotated[list[RecipientId], Meta(min_length=1, max_length=MEMBERS_PER_CALL_MAX)]


class MembersChanged(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How many really joined or left."""

    changed: int


class MemberPage(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Members by id; ``next`` is the cursor of the next page."""

    items: list[str]
    next: str | UnsetType = UNSET


class GroupRoutes:
    """Handlers of ``/v1/groups``."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        one = "/v1/groups/{key}"
        members = "/v1/groups/{key}/members"
        changed = {200: MembersChanged}
        return (
            Endpoint("GET", one, "Get a group", self.get, {200: GroupAnswer}),
            Endpoint(
                "PUT",
                one,
                "Create or rename a group",
                self.put,
                {200: GroupAnswer, 201: GroupAnswer},
                body=GroupInput,
                body_optional=True,
            ),
            Endpoint("DELETE", one, "End a group", self.delete, {204: None}),
            Endpoint(
                "GET", members, "List members", self.members, {200: MemberPage}, query=PageQuery
            ),
            Endpoint("PUT", members, "Add members", self.add, changed, body=MembersInput),
            Endpoint("DELETE", members, "Remove members", self.remove, changed, body=MembersInput),
        )

    async def get(self, call: Call) -> Answer:
        """Answer one."""
        return Answer(_show(await self._groups.get(check_key(call.path["key"]))))

    async def put(self, call: Call) -> Answer:
        """Create or rename."""
        name = call.body(GroupInput).name
        group, new = await self._groups.put(call.by, check_key(call.path["key"]), name)
        return Answer(_show(group), status=201 if new else 200)

    async def delete(self, call: Call) -> Answer:
        """End it."""
        await self._groups.delete(call.by, check_key(call.path["key"]))
        return Answer(status=204)

    async def members(self, call: Call) -> Answer:
        """Answer one page."""
        query = call.query(PageQuery)
        page = await self._groups.members(
            check_key(call.path["key"]), after=query.after_number(), limit=query.limit
        )
        more = UNSET if page.last is None else cursor_of(page.last)
        return Answer(MemberPage(items=[one.id for one in page.members], next=more))

    async def add(self, call: Call) -> Answer:
        """Let recipients join."""
        ids = call.body(MembersInput).recipients
        joined = await self._groups.add(call.by, check_key(call.path["key"]), ids)
        return Answer(MembersChanged(changed=joined))

    async def remove(self, call: Call) -> Answer:
        """Let recipients leave."""
        ids = call.body(MembersInput).recipients
        left = await self._groups.remove(call.by, check_key(call.path["key"]), ids)
        return Answer(MembersChanged(changed=left))


def _show(group: tuple[str, str | None, int]) -> GroupAnswer:
    key, name, members = group
    return GroupAnswer(key=key, name=name, members=members)
