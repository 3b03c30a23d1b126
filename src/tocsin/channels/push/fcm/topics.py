"""Firebase's topics, played: which devices are subscribed to what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from tocsin.channels.simulating_http import Reply, Request

_PAGE: Final = 1_000
_PAGE_MAX: Final = 2_000
_PATH: Final = re.compile(
    r"/v1/projects/(?P<project>[^/]+)/registrations/(?P<device>[^/]+)/topicSubscriptions"
    r"(?:/(?P<topic>[^/]+))?\Z"
)
_NAME: Final = re.compile(r"[a-zA-Z0-9_.~%-]{1,900}\Z", re.ASCII)


class Topics:
    """Each device's topics, in the order in which it was subscribed."""

    def __init__(self, project: str) -> None:
        self._project = project
        self._of: dict[str, dict[str, None]] = {}

    def is_asked(self, path: str) -> bool:
        """Return whether a request to *path* is about topics."""
        return _PATH.match(path) is not None

    def subscribers(self, topic: str) -> Sequence[str]:
        """Return the devices of a topic."""
        return [device for device, topics in self._of.items() if topic in topics]

    def reply(self, request: Request) -> Reply:
        """Subscribe, unsubscribe or list, as the method says."""
        found = _PATH.match(request.path)
        if found is None or found["project"] != self._project:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        device, topic = found["device"], found["topic"]
        match request.method, topic:
            case "POST", None:
                return self._subscribe(device, request.query.get("topic_name", ""))
            case "DELETE", str():
                missing = request.query.get("allow_missing") == "true"
                return self._unsubscribe(device, topic, allow_missing=missing)
            case "GET", None:
                return self._list(device, request)
            case _:
                return _error(404, "NOT_FOUND", "Method not found.")

    def _subscribe(self, device: str, topic: str) -> Reply:
        if _NAME.match(topic) is None:
            return _error(400, "INVALID_ARGUMENT", "Invalid topic name.")
        topics = self._of.setdefault(device, {})
        if topic in topics:
            return _error(409, "ALREADY_EXISTS", "Requested entity already exists.")
        topics[topic] = None
        return Reply.json(200, self._shown(device, topic))

    def _unsubscribe(self, device: str, topic: str, *, allow_missing: bool) -> Reply:
        topics = self._of.get(device, {})
        if topic not in topics and not allow_missing:
            return _error(404, "NOT_FOUND", "Requested entity was not found.")
        topics.pop(topic, None)
        return Reply.json(200, {})

    def _list(self, device: str, request: Request) -> Reply:
        asked, token = request.query.get("pageSize", ""), request.query.get("pageToken", "")
        size = min(int(asked), _PAGE_MAX) if asked.isdigit() and int(asked) else _PAGE
        begin = int(token) if token.isdigit() else 0
        topics = self._of.get(device, {})
        page = [self._shown(device, each) for each in islice(topics, begin, begin + size)]
        more = {"nextPageToken": str(begin + size)} if begin + size < len(topics) else {}
        return Reply.json(200, {"topicSubscriptions": page, **more})

    def _shown(self, device: str, topic: str) -> dict[str, str]:
        place = f"projects/{self._project}/registrations/{device}/topicSubscriptions/{topic}"
        return {"name": place}


def _error(status: int, word: str, message: str) -> Reply:
    return Reply.json(status, {"error": {"code": status, "message": message, "status": word}})
