"""Where an event goes: its partition, and the hash by which a repeat is recognised."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import xxhash

from tocsin.domain.cloudevents import IncomingEvent
from tocsin.domain.paths import path_reader
from tocsin.domain.rules import AudienceRule, Path
from tocsin.domain.workflow import Workflow

ReadKey = Callable[[bytes], str | None]
"""JSON text of the data → the single recipient that a workflow's rule finds in it."""


class Keying:
    """
    Gives events their partition.

    Reading one path out of the data costs a fraction of decoding all of it, so each rule gets a
    reader for its path, made once.
    """

    def __init__(self, seed: int) -> None:
        """*seed* is the deployment's own, so that nobody outside can make two ids collide."""
        self._seed = seed
        self._readers: dict[tuple[str, int], ReadKey | None] = {}

    def digest(self, scope: str, source: str, id: str) -> bytes:
        """Return the 16 bytes by which (producer's scope, source, id) is recognised."""
        text = f"{scope}\0{source}\0{id}"
        return xxhash.xxh3_128_digest(text.encode(), self._seed)

    def partition_key(
        self, event: IncomingEvent, source: str, id: str, workflows: Sequence[Workflow]
    ) -> int:
        """
        Return 32 bits: of the single recipient where one is named, else of subject, else of the id.

        Events about one recipient then stay in order, whatever their source.
        """
        key = event.recipient
        if key is None and event.audience is None and workflows:
            key = self._single(workflows[0], event.data)
        if key is None:
            key = event.subject if event.subject is not None else f"{source}\0{id}"
        return xxhash.xxh32_intdigest(key.encode())

    def _single(self, workflow: Workflow, data: bytes) -> str | None:
        rule = workflow.audience
        if rule is None:
            return None
        version = (workflow.key, workflow.version)
        if version not in self._readers:
            self._readers[version] = _reader(rule)
        read = self._readers[version]
        return read(data) if read is not None else None


def _reader(rule: AudienceRule) -> ReadKey | None:
    """Return how to find the recipient, None when *rule* does not name exactly one by a path."""
    if len(rule) != 1 or rule[0].kind != "recipient":
        return None
    value = rule[0].values["id"]
    if not isinstance(value, Path):
        return lambda _: value
    find = path_reader(value.parts)

    def read(data: bytes) -> str | None:
        found = find(data)
        return found if isinstance(found, str) else None

    return read
