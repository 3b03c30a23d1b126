"""A plain client of the HTTP interface, for what is not timed by the load generator."""

import http.client
import json
from collections.abc import Iterable
from typing import Any, Self


class Refused(Exception):
    """The server answered with a status of 400 or above."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path} was answered with {status}: {body[:1000]}")
        self.status = status


class Client:
    """One keep-alive connection. Not safe for threads."""

    def __init__(self, port: int, bearer: str, *, timeout_s: float = 120) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        self._authorization = f"Bearer {bearer}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()

    def get(self, path: str, *, bearer: str | None = None) -> Any:
        """The decoded answer."""
        return self._call("GET", path, None, {}, bearer)

    def text(self, path: str) -> str:
        """The body of a GET that is not JSON."""
        return self._read("GET", path, None, {}, None)

    def send(self, method: str, path: str, document: Any = None) -> Any:
        """Send a JSON document (or no body at all) and return the decoded answer."""
        if document is None:
            return self._call(method, path, None, {}, None)
        headers = {"Content-Type": "application/json"}
        return self._call(method, path, json.dumps(document).encode(), headers, None)

    def stream(self, path: str, chunks: Iterable[bytes], content_type: str) -> Any:
        """POST a body of unknown length."""
        return self._call("POST", path, chunks, {"Content-Type": content_type}, None)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        headers: dict[str, str],
        bearer: str | None,
    ) -> Any:
        text = self._read(method, path, body, headers, bearer)
        return json.loads(text) if text else None

    def _read(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None,
        headers: dict[str, str],
        bearer: str | None,
    ) -> str:
        authorization = f"Bearer {bearer}" if bearer else self._authorization
        self._connection.request(method, path, body, {**headers, "Authorization": authorization})
        answer = self._connection.getresponse()
        text = answer.read().decode()
        if answer.status >= 400:
            raise Refused(method, path, answer.status, text)
        return text
