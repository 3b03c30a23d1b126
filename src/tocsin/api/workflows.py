"""Workflows as documents: drafts, versions, publishing, switching."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tocsin.api.body import decode_json
from tocsin.api.endpoint import JSON, Answer, Call, Endpoint
from tocsin.api.shared import Document, check_key, shown_time
from tocsin.app.workflows import WorkflowDesk, read_toml
from tocsin.ports.state import StoredWorkflow

TOML = "application/toml"


class VersionAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One version of a document; the draft has the version 0."""

    key: str
    version: int
    active: bool
    at: str | None
    by: str
    document: msgspec.Raw | Document


class WorkflowAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What there is of a workflow."""

    key: str
    draft: VersionAnswer | None
    published: VersionAnswer | None


class VersionList(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Versions of one workflow, newest first, or the newest of every workflow."""

    items: list[VersionAnswer]


class PublishAnswer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The version that new runs get, and what works but perhaps not as its author thinks."""

    key: str
    version: int
    warnings: list[str]


class WorkflowRoutes:
    """Handlers of ``/v1/workflows``."""

    def __init__(self, desk: WorkflowDesk) -> None:
        self._desk = desk

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the routes."""
        one = "/v1/workflows/{key}"
        return (
            Endpoint("GET", "/v1/workflows", "List workflows", self.list, {200: VersionList}),
            Endpoint("GET", one, "Get a workflow", self.get, {200: WorkflowAnswer}),
            Endpoint(
                "PUT",
                one,
                "Write a draft",
                self.put,
                {200: VersionAnswer},
                body=Document,
                body_types=(JSON, TOML),
                body_raw=True,
            ),
            Endpoint(
                "POST", one + "/publish", "Publish the draft", self.publish, {200: PublishAnswer}
            ),
            Endpoint("POST", one + "/activate", "Switch on", self.activate, {204: None}),
            Endpoint("POST", one + "/deactivate", "Switch off", self.deactivate, {204: None}),
            Endpoint("GET", one + "/versions", "List versions", self.versions, {200: VersionList}),
        )

    async def list(self, call: Call) -> Answer:
        """Answer the newest version of every workflow."""
        found = await self._desk.published()
        return Answer(VersionList(items=[_show(stored) for stored in found]))

    async def get(self, call: Call) -> Answer:
        """Answer the draft and the newest version."""
        key = check_key(call.path["key"])
        draft, newest = await self._desk.get(key)
        shown = WorkflowAnswer(
            key=key,
            draft=None if draft is None else _show(draft),
            published=None if newest is None else _show(newest),
        )
        return Answer(shown)

    async def put(self, call: Call) -> Answer:
        """Keep a draft."""
        toml = call.content_type == TOML
        document = read_toml(call.raw) if toml else decode_json(call.raw, Document)
        key = check_key(call.path["key"])
        return Answer(_show(await self._desk.put_draft(call.by, key, document)))

    async def publish(self, call: Call) -> Answer:
        """Make the draft the next version."""
        done = await self._desk.publish(call.by, check_key(call.path["key"]))
        shown = PublishAnswer(
            key=done.stored.key, version=done.stored.version, warnings=list(done.warnings)
        )
        return Answer(shown)

    async def activate(self, call: Call) -> Answer:
        """Switch on."""
        await self._desk.switch(call.by, check_key(call.path["key"]), active=True)
        return Answer(status=204)

    async def deactivate(self, call: Call) -> Answer:
        """Switch off."""
        await self._desk.switch(call.by, check_key(call.path["key"]), active=False)
        return Answer(status=204)

    async def versions(self, call: Call) -> Answer:
        """Answer the published versions."""
        found = await self._desk.versions(check_key(call.path["key"]))
        return Answer(VersionList(items=[_show(stored) for stored in found]))


def _show(stored: StoredWorkflow) -> VersionAnswer:
    return VersionAnswer(
        key=stored.key,
        version=stored.version,
        active=stored.active,
        at=shown_time(stored.at_ms),
        by=stored.by,
        document=msgspec.Raw(stored.document),
    )
