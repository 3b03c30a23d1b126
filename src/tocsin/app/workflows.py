"""Workflows: documents that are drafted, published and switched, and the registry that runs them."""

from __future__ import annotations

import asyncio
import tomllib
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from tocsin.app.callers import Principal
from tocsin.app.freshness import keep_fresh
from tocsin.app.step_options import CheckOptions, check_step_options, unchecked
from tocsin.app.trail import Notes
from tocsin.domain.intervals import Condition
from tocsin.domain.names import no_such
from tocsin.domain.sms_steps import sms_warnings
from tocsin.domain.workflow import (
    Workflow,
    WorkflowDocument,
    compile_workflow,
    publish_warnings,
)
from tocsin.domain.workflow_read import read_document, show_document
from tocsin.errors import FieldProblem, Malformed, NotFound, RequestRefused
from tocsin.ports.state import StoredWorkflow, Workflows
from tocsin.ports.system import Clock, Sleep

TAKING_MAX: Final = 16
"""Most workflows that may take one type of event."""

OLD_VERSIONS_MAX: Final = 1_000
FRESH_S: Final = 3.0


class WorkflowRegistry:
    """
    The compiled workflows, looked up without waiting.

    Publishing here counts at once; publishing by another process within 5 s (`follow`). A workflow
    that is switched off still takes its events: deciding says `workflow_inactive`, so that
    ``explain`` has an answer.
    """

    def __init__(self, store: Workflows) -> None:
        self._store = store
        self._newest: dict[str, Workflow] = {}
        self._inactive: frozenset[str] = frozenset()
        self._taking: dict[str, tuple[Workflow, ...]] = {}
        self._old: OrderedDict[tuple[str, int], Workflow] = OrderedDict()
        self._broken: dict[str, str] = {}

    @property
    def broken(self) -> Mapping[str, str]:
        """Published workflows that this version cannot compile, with the reason."""
        return self._broken

    def taking(self, event_type: str) -> tuple[Workflow, ...]:
        """Return the workflows that take *event_type*, ordered by key; at most `TAKING_MAX`."""
        return self._taking.get(event_type, ())

    def newest(self, key: str) -> Workflow | None:
        """Return the version that new runs of *key* get."""
        return self._newest.get(key)

    def keys(self) -> Collection[str]:
        """Return the keys of all published workflows."""
        return self._newest.keys()

    def active(self, key: str) -> bool:
        """Return whether *key* is switched on."""
        return key not in self._inactive

    def get(self, key: str, version: int) -> Workflow | None:
        """Return one version if it is at hand; `load` brings others."""
        newest = self._newest.get(key)
        if newest is not None and newest.version == version:
            return newest
        return self._old.get((key, version))

    async def load(self, key: str, version: int) -> Workflow | None:
        """Return one version, from the store if need be; None when it never was published."""
        found = self.get(key, version)
        if found is not None:
            return found
        stored = await self._store.version(key, version)
        if stored is None:
            return None
        workflow = _compiled(stored)
        if len(self._old) >= OLD_VERSIONS_MAX:
            self._old.popitem(last=False)
        self._old[key, version] = workflow
        return workflow

    async def refresh(self) -> None:
        """Read what is published; compiles only what has changed."""
        newest: dict[str, Workflow] = {}
        broken: dict[str, str] = {}
        published = await self._store.published()
        for stored in published:
            known = self.get(stored.key, stored.version)
            try:
                newest[stored.key] = known or _compiled(stored)
            except RequestRefused as refused:
                broken[stored.key] = refused.detail
        # A run keeps the version it began with, so what was the newest stays at hand.
        for key, before in self._newest.items():
            if newest.get(key) is not before:
                self._old[key, before.version] = before
        self._newest = newest
        self._broken = broken
        self._inactive = frozenset(stored.key for stored in published if not stored.active)
        self._taking = _by_type(newest)

    async def follow(self, sleep: Sleep = asyncio.sleep) -> None:
        """Keep the registry fresh until cancelled. When the store is away, the last known runs."""
        await keep_fresh(self.refresh, FRESH_S, sleep)


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing came to."""

    stored: StoredWorkflow
    warnings: tuple[str, ...]


class WorkflowDesk:
    """What people do with workflows."""

    def __init__(
        self,
        store: Workflows,
        registry: WorkflowRegistry,
        notes: Notes,
        clock: Clock,
        *,
        configured: Callable[[], Collection[str]],
        telling: Callable[[], Mapping[str, Collection[Condition]]],
        check_options: CheckOptions = unchecked,
    ) -> None:
        """*configured* are the channels that have a provider, *telling* what those report."""
        self._check_options = check_options
        self._store = store
        self._registry = registry
        self._notes = notes
        self._clock = clock
        self._configured = configured
        self._telling = telling

    async def put_draft(self, by: Principal, key: str, value: object) -> StoredWorkflow:
        """Check a document and keep it as the draft of *key*."""
        document = read_document(_keyed(key, value))
        _check_reach(by, document)
        check_step_options(document, self._check_options)
        draft = StoredWorkflow(
            key=key,
            version=0,
            document=msgspec.json.encode(show_document(document)),
            at_ms=self._clock.now_ms(),
            by=by.name,
        )
        await self._store.put_draft(draft)
        await self._notes.add(by, "workflow.draft", f"workflow/{key}")
        return draft

    async def publish(self, by: Principal, key: str) -> Published:
        """Make the draft the next version, atomically; raises `NotFound` without a draft."""
        draft = await self._store.draft(key)
        if draft is None:
            raise NotFound(f"the workflow {key!r} has no draft; put one first")
        document = read_document(msgspec.json.decode(draft.document))
        _check_reach(by, document)
        workflow = compile_workflow(document, 0)
        check_step_options(document, self._check_options)
        self._check_room(workflow)
        now_ms = self._clock.now_ms()
        stored = await self._store.publish(key, draft.document, by.name, now_ms)
        await self._registry.refresh()
        await self._notes.add(by, "workflow.publish", f"workflow/{key}", f"v{stored.version}")
        warnings = publish_warnings(workflow, self._configured(), self._telling())
        warnings += sms_warnings(workflow)
        return Published(stored=stored, warnings=tuple(warnings))

    async def switch(self, by: Principal, key: str, *, active: bool) -> None:
        """Switch all runs of a workflow on or off; raises `NotFound`."""
        by.limits.check(workflow=key)
        if not await self._store.set_active(key, active, self._clock.now_ms()):
            raise no_such("published workflow", key, self._registry.keys())
        await self._registry.refresh()
        action = "activate" if active else "deactivate"
        await self._notes.add(by, f"workflow.{action}", f"workflow/{key}")

    async def get(self, key: str) -> tuple[StoredWorkflow | None, StoredWorkflow | None]:
        """Return the draft and the newest published version; raises `NotFound` without either."""
        draft = await self._store.draft(key)
        versions = await self._store.versions(key)
        if draft is None and not versions:
            raise no_such("workflow", key, self._registry.keys())
        return draft, versions[0] if versions else None

    async def versions(self, key: str) -> Sequence[StoredWorkflow]:
        """Return the published versions, newest first; raises `NotFound`."""
        found = await self._store.versions(key)
        if not found and await self._store.draft(key) is None:
            raise no_such("workflow", key, self._registry.keys())
        return found

    async def published(self) -> Sequence[StoredWorkflow]:
        """Return the newest published version of every workflow, ordered by key."""
        return sorted(await self._store.published(), key=lambda stored: stored.key)

    def _check_room(self, workflow: Workflow) -> None:
        for index, event_type in enumerate(workflow.on):
            others = [w for w in self._registry.taking(event_type) if w.key != workflow.key]
            if len(others) >= TAKING_MAX:
                detail = f"{TAKING_MAX} workflows take this type already"
                problem = FieldProblem(f"/on/{index}", "too_many", detail)
                raise RequestRefused("too many workflows take one type", errors=(problem,))


def read_toml(body: bytes) -> object:
    """Return the document that *body* holds in TOML; raises `Malformed`."""
    try:
        return tomllib.loads(body.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("the body is not valid TOML in UTF-8") from None


def _keyed(key: str, value: object) -> object:
    """The address names the workflow; a document that names another one was put astray."""
    if not isinstance(value, dict):
        raise RequestRefused("a workflow is an object", code="wrong_type")
    if value.get("key", key) != key:
        problem = FieldProblem("/key", "not_allowed", "must be the key of the address")
        raise RequestRefused("the document names another workflow", errors=(problem,))
    return {**value, "key": key}


def _check_reach(by: Principal, document: WorkflowDocument) -> None:
    by.limits.check(workflow=document.key, category=document.category, lane=document.lane)


def _compiled(stored: StoredWorkflow) -> Workflow:
    return compile_workflow(read_document(msgspec.json.decode(stored.document)), stored.version)


def _by_type(workflows: Mapping[str, Workflow]) -> dict[str, tuple[Workflow, ...]]:
    taking: dict[str, list[Workflow]] = {}
    for key in sorted(workflows):
        for event_type in workflows[key].on:
            taking.setdefault(event_type, []).append(workflows[key])
    return {event_type: tuple(found[:TAKING_MAX]) for event_type, found in taking.items()}
