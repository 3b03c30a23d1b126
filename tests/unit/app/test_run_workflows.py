"""The workflow that a run began with: found, or said not to be there, whatever is stored."""

from __future__ import annotations

import json
from typing import cast

import pytest

from tocsin.app.routing.workflows import RunWorkflows
from tocsin.app.workflows import WorkflowRegistry
from tocsin.errors import NotFound
from tocsin.ports.state import StoredWorkflow, Workflows

GOOD = {"key": "alarm", "steps": [{"channel": "chat", "title": "Alarm", "body": "Again."}]}
REFUSED = {"key": "alarm", "steps": [{"channel": "telegraph", "body": "Stop."}]}


class Stored:
    """Two versions: what the rules took, and what an earlier release's rules took."""

    async def version(self, key: str, version: int) -> StoredWorkflow | None:
        documents = {1: GOOD, 2: REFUSED}
        if version not in documents:
            return None
        return StoredWorkflow(key, version, json.dumps(documents[version]).encode(), 0)


@pytest.fixture
def workflows() -> RunWorkflows:
    store = cast(Workflows, Stored())
    return RunWorkflows(WorkflowRegistry(store), store)


async def test_a_published_version_is_found(workflows: RunWorkflows) -> None:
    assert (await workflows.version("alarm", 1, None)).version == 1
    by_hand = await workflows.version("alarm", 0, json.dumps(GOOD).encode())
    assert by_hand.key == "alarm"


@pytest.mark.parametrize(
    ("version", "content", "said"),
    [
        (3, None, "never published"),
        (2, None, "cannot be read any more"),
        (0, json.dumps(REFUSED).encode(), "cannot be read any more"),
    ],
    ids=["never was", "refused now", "by hand, refused now"],
)
async def test_what_cannot_be_run_is_not_there(
    workflows: RunWorkflows, version: int, content: bytes | None, said: str
) -> None:
    """Whoever reads an inbox, or asks why, has written nothing that could be refused."""
    with pytest.raises(NotFound, match=said):
        await workflows.version("alarm", version, content)
