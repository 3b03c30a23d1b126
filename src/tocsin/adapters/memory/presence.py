"""Who is online, within one process."""

from __future__ import annotations


class MemoryPresence:
    """Fills `tocsin.ports.cache.Presence`."""

    def __init__(self) -> None:
        # One tuple per node is shared by all its recipients: an entry costs no object of its own.
        self._alone: dict[str, tuple[str, ...]] = {}
        self._nodes: dict[int, tuple[str, ...]] = {}

    def arrived(self, recipient: int, node: str) -> None:
        """Note it; twice is once."""
        nodes = self._nodes.get(recipient)
        if nodes is None:
            self._nodes[recipient] = self._alone.setdefault(node, (node,))
        elif node not in nodes:
            self._nodes[recipient] = (*nodes, node)

    def left(self, recipient: int, node: str) -> None:
        """Note it; who was not there stays away."""
        rest = tuple(each for each in self._nodes.pop(recipient, ()) if each != node)
        if rest:
            self._nodes[recipient] = rest

    def online(self, recipient: int) -> bool:
        """Return whether any node has a socket."""
        return recipient in self._nodes
