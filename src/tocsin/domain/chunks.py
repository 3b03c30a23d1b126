"""
How a fan-out is cut into chunks: a function of its audience and its workflow, so that it comes out
the same after a crash.

An inbox step takes a whole block of 65,536 numbers at once, since its record is all that there is
to write. On the other channels every recipient is handed over by a record of her own, so blocks
are cut into parts. All inbox steps come first: nothing is seen sooner than they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from pyroaring import BitMap

from tocsin.domain.channels import INBOX
from tocsin.domain.workflow import Workflow

BLOCK_SHIFT: Final = 16


class Chunk(NamedTuple):
    """One step's share of the audience: those of rank [first, end)."""

    step: int
    """The step's place in the workflow."""
    block: int
    part: int
    first: int
    end: int

    @property
    def members(self) -> int:
        """How many there are."""
        return self.end - self.first

    @property
    def place(self) -> tuple[int, int, int]:
        """What names the chunk within its fan-out."""
        return self.step, self.block, self.part

    def of(self, audience: BitMap) -> BitMap:
        """Return the members."""
        return audience[self.first : self.end]


def cut(workflow: Workflow, audience: BitMap, *, handed_max: int) -> list[Chunk]:
    """Return all chunks, in the order in which they are decided."""
    shown = [step.index for step in workflow.steps if step.channel == INBOX]
    handed = [step.index for step in workflow.steps if step.channel != INBOX]
    blocks = list(_blocks(audience))
    chunks = [Chunk(step, block, 0, a, b) for step in shown for block, a, b in blocks]
    for block, first, end in blocks if handed else ():
        for part, start in enumerate(range(first, end, handed_max)):
            stop = min(start + handed_max, end)
            chunks += [Chunk(step, block, part, start, stop) for step in handed]
    return chunks


def _blocks(audience: BitMap) -> Iterator[tuple[int, int, int]]:
    """Yield (block, first rank, end rank) of each block that has members."""
    first, total = 0, len(audience)
    while first < total:
        block = audience[first] >> BLOCK_SHIFT
        end = audience.rank(((block + 1) << BLOCK_SHIFT) - 1)
        yield block, first, end
        first = end
