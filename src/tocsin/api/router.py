"""Finding the endpoint for a method and a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from starlette.routing import compile_path

from tocsin.api.endpoint import Endpoint
from tocsin.api.problems import MethodNotAllowed
from tocsin.errors import NotFound


class Found(NamedTuple):
    """An endpoint, and the parameters of the path, still percent-encoded."""

    endpoint: Endpoint
    parameters: dict[str, str]


class Router:
    """
    Matches paths as they came, percent-encoded.

    So an id may hold a slash (``%2F``), and no other spelling of a path reaches a route. Of two
    templates that match, the one without parameters wins for the methods that it has.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._literal: dict[tuple[str, str], Endpoint] = {}
        self._templates: dict[int, list[tuple[re.Pattern[str], dict[str, Endpoint]]]] = {}
        by_path: dict[str, dict[str, Endpoint]] = {}
        for endpoint in endpoints:
            methods = by_path.setdefault(endpoint.path, {})
            if endpoint.method in methods:
                raise ValueError(f"{endpoint.method} {endpoint.path} is there twice")
            methods[endpoint.method] = endpoint
            if "{" not in endpoint.path:
                self._literal[endpoint.method, endpoint.path] = endpoint
        for path in sorted(by_path, key=lambda path: path.count("{")):
            pattern, _, _ = compile_path(path)
            self._templates.setdefault(path.count("/"), []).append((pattern, by_path[path]))

    def find(self, method: str, path: str) -> Found:
        """Return the endpoint; raises `NotFound` or `MethodNotAllowed`."""
        method = "GET" if method == "HEAD" else method
        literal = self._literal.get((method, path))
        if literal is not None:
            return Found(literal, {})
        allowed: set[str] = set()
        for pattern, methods in self._templates.get(path.count("/"), ()):
            match = pattern.match(path)
            if match is None:
                continue
            if method in methods:
                return Found(methods[method], match.groupdict())
            allowed.update(methods)
        if not allowed:
            raise NotFound("there is nothing at this address")
        raise MethodNotAllowed(_with_implied(allowed))

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods of the route that *path* names first; raises `NotFound`."""
        for pattern, methods in self._templates.get(path.count("/"), ()):
            if pattern.match(path):
                return _with_implied(set(methods))
        raise NotFound("there is nothing at this address")


def _with_implied(methods: set[str]) -> tuple[str, ...]:
    implied = {"HEAD", "OPTIONS"} if "GET" in methods else {"OPTIONS"}
    return tuple(sorted(methods | implied))
