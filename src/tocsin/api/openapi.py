"""The OpenAPI 3.1 document, from the same endpoints, types and permissions that serve."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import Any, Final

import msgspec

import tocsin
from tocsin.api.endpoint import JSON, Answer, Call, Endpoint
from tocsin.api.permissions import Permission, permission_of
from tocsin.api.problems import PROBLEM_TYPE, Problem
from tocsin.app.texts import KEY_PATTERN, PATH_ID

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_PROBLEM: Final = {"$ref": _REF.format(name="Problem")}
_KEY_SCHEME: Final = "key"
_TOKEN_SCHEME: Final = "recipientToken"
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent again with the same body within 24 h, it gets the same answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


class Description:
    """Writes the document when it is first asked for (not at every start), and serves it."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = (*endpoints, self.endpoint())

    @cached_property
    def _body(self) -> bytes:
        return msgspec.json.encode(describe(self._endpoints))

    def endpoint(self) -> Endpoint:
        """Return the route of the document itself."""
        return Endpoint("GET", "/openapi.json", "This document", self._get, {200: dict[str, Any]})

    async def _get(self, call: Call) -> Answer:
        return Answer(self._body)


def describe(endpoints: Sequence[Endpoint]) -> dict[str, object]:
    """Return the document for *endpoints*."""
    kinds = _kinds(endpoints)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = {_name(kind): schema for kind, schema in zip(kinds, schemas, strict=True)}
    paths: dict[str, dict[str, object]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, by_kind)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tocsin",
            "version": tocsin.__version__,
            "description": "Events in, the right message to the right people, and why.",
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security_schemes()},
    }


def _kinds(endpoints: Sequence[Endpoint]) -> list[Any]:
    found: dict[str, Any] = {_name(Problem): Problem}
    for endpoint in endpoints:
        kinds = [endpoint.body, endpoint.query, *endpoint.answers.values()]
        found.update(
            {_name(kind): kind for kind in kinds if kind is not None and kind is not bytes}
        )
    return list(found.values())


def _name(kind: Any) -> str:
    return str(kind)


def _operation(endpoint: Endpoint, by_kind: dict[str, Any]) -> dict[str, object]:
    permission = permission_of(endpoint.method, endpoint.path)
    operation: dict[str, object] = {
        "operationId": _operation_id(endpoint),
        "summary": endpoint.summary,
        "description": _who(permission),
        "tags": [_tag(endpoint.path)],
        "parameters": _parameters(endpoint, permission),
        "responses": _responses(endpoint, permission, by_kind),
        "security": _security(permission),
    }
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": not endpoint.body_optional,
            "content": {
                kind: _content(kind, endpoint.body, by_kind) for kind in endpoint.body_types
            },
        }
    return operation


def _content(content_type: str, kind: Any, by_kind: dict[str, Any]) -> dict[str, object]:
    if kind is bytes or not content_type.endswith("json"):
        return {"schema": {"type": "string"}}
    return {"schema": by_kind[_name(kind)]}


def _parameters(endpoint: Endpoint, permission: Permission) -> list[dict[str, object]]:
    parameters: list[dict[str, object]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": _path_schema(name),
        }
        for name in _PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        parameters.extend(_query_parameters(endpoint.query))
    if endpoint.method == "POST" and not permission.public and not endpoint.streams:
        parameters.append(dict(_IDEMPOTENCY_KEY))
    return parameters


def _path_schema(name: str) -> dict[str, object]:
    if name in {"key", "collection"}:
        return {"type": "string", "minLength": 1, "maxLength": 128, "pattern": KEY_PATTERN}
    if name == "number":
        return {"type": "string", "pattern": "^[0-9]{1,5}$"}
    return {"type": "string", "minLength": 1, "maxLength": 256, "pattern": PATH_ID}


def _query_parameters(kind: type[msgspec.Struct]) -> list[dict[str, object]]:
    schema = msgspec.json.schema_components([kind], ref_template=_REF)[1][kind.__name__]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _sendable(field)}
        for name, field in schema["properties"].items()
    ]


def _sendable(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: what may be absent is left out."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    return dict(kinds[0]) if len(kinds) == 1 else {k: v for k, v in schema.items() if v is not None}


def _responses(
    endpoint: Endpoint, permission: Permission, by_kind: dict[str, Any]
) -> dict[str, object]:
    responses: dict[str, object] = {}
    for status, kind in endpoint.answers.items():
        answer: dict[str, object] = {"description": HTTPStatus(status).phrase}
        if kind is bytes:
            answer["content"] = {endpoint.answer_type: {"schema": {"type": "string"}}}
        elif kind is not None:
            answer["content"] = {JSON: {"schema": by_kind[_name(kind)]}}
        responses[str(status)] = answer
    for status in _refusals(endpoint, permission):
        responses.setdefault(str(status), _refusal(status))
    return responses


def _refusals(endpoint: Endpoint, permission: Permission) -> list[int]:
    statuses = [400, 422, 500, 503]
    if not permission.public:
        statuses += [401, 403, 429]
    elif endpoint.proves_itself:
        statuses += [401, 429]
    if "{" in endpoint.path or endpoint.method != "GET":
        statuses += [404, 409]
    elif endpoint.query is not None:
        # What is asked about by name may not be there, as in a path.
        statuses.append(404)
    if endpoint.method != "GET":
        statuses += [413, 507]
    if endpoint.body is not None:
        statuses.append(415)
    return sorted(statuses)


def _refusal(status: int) -> dict[str, object]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_TYPE: {"schema": _PROBLEM}},
    }


def _security(permission: Permission) -> list[dict[str, list[str]]]:
    if permission.public:
        return []
    schemes: list[dict[str, list[str]]] = []
    if permission.scopes:
        schemes.append({_KEY_SCHEME: []})
    if permission.token is not None:
        schemes.append({_TOKEN_SCHEME: []})
    return schemes


def _security_schemes() -> dict[str, object]:
    return {
        _KEY_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, tcs_…; its roles decide what it reaches.",
        },
        _TOKEN_SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "A recipient's own token, tct_…, from POST /v1/tokens.",
        },
    }


def _who(permission: Permission) -> str:
    if permission.public:
        return "Needs no credential."
    ways = [f"a key with the scope `{scope}`" for scope in sorted(permission.scopes)]
    if permission.token is not None:
        ways.append(f"the recipient's own token with `{permission.token}`")
    return "Takes " + " or ".join(ways) + "."


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"\w+", endpoint.path.removeprefix("/v1"))
    return "_".join([endpoint.method.lower(), *words])


def _tag(path: str) -> str:
    words = re.findall(r"\w+", path.removeprefix("/v1"))
    return words[0] if path.startswith("/v1/") else "server"
