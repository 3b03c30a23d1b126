"""API keys: made, listed, revoked. The secret is shown once and only its hash is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tocsin.app.access import KEY_ID_CHARACTERS, KEY_PREFIX, Access, key_digest
from tocsin.app.callers import ROLES, Principal
from tocsin.domain.base64url import base64url
from tocsin.domain.lanes import LANES
from tocsin.errors import Conflict, FieldProblem, NotFound, RequestRefused
from tocsin.ports.state import ApiKey, Change, Keys, Trail
from tocsin.ports.system import Chance

KEYS_MAX: Final = 10_000
_ADMIN: Final = "admin"


class KeyRing:
    """What may be done with keys."""

    def __init__(
        self,
        keys: Keys,
        access: Access,
        trail: Trail,
        chance: Chance,
        *,
        wall_ms: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._access = access
        self._trail = trail
        self._chance = chance
        self._wall_ms = wall_ms

    async def create(
        self,
        by: Principal,
        name: str,
        roles: Sequence[str],
        *,
        workflows: Sequence[str] = (),
        categories: Sequence[str] = (),
        sources: Sequence[str] = (),
        lanes: Sequence[str] = (),
        rate_per_s: int | None = None,
        expires_ms: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Return the stored key and, this once, the key itself."""
        now_ms = self._wall_ms()
        _check("/roles", roles, tuple(ROLES))
        _check("/lanes", lanes, LANES)
        if expires_ms is not None and expires_ms <= now_ms:
            raise _refused("/expires_at", "in_the_past", "must lie in the future")
        if sum(key.revoked_ms is None for key in await self._keys.all()) >= KEYS_MAX:
            raise Conflict(f"there are {KEYS_MAX} keys; revoke some first", code="too_many_keys")
        text = self._text()
        key = ApiKey(
            id=text[len(KEY_PREFIX) : len(KEY_PREFIX) + KEY_ID_CHARACTERS],
            name=name,
            digest=key_digest(text),
            roles=tuple(dict.fromkeys(roles)),
            workflows=tuple(workflows),
            categories=tuple(categories),
            sources=tuple(sources),
            lanes=tuple(lanes),
            rate_per_s=rate_per_s,
            created_ms=now_ms,
            expires_ms=expires_ms,
        )
        await self._keys.add(key)
        await self._access.refresh()
        await self._note(by, "key.create", key.id, detail=" ".join(key.roles))
        return key, text

    async def list(self) -> Sequence[ApiKey]:
        """Return all keys, newest first, revoked ones too."""
        return sorted(await self._keys.all(), key=lambda key: (-key.created_ms, key.id))

    async def revoke(self, by: Principal, id: str) -> None:
        """Revoke; the last key that may make keys stays, or nobody could get in from outside."""
        now_ms = self._wall_ms()
        living = {
            key.id: key
            for key in await self._keys.all()
            if key.revoked_ms is None and (key.expires_ms is None or key.expires_ms > now_ms)
        }
        admins = {key.id for key in living.values() if _ADMIN in key.roles}
        if admins == {id}:
            raise Conflict(
                "this is the last admin key; make another one before you revoke it",
                code="last_admin_key",
            )
        if not await self._keys.revoke(id, now_ms):
            raise NotFound("there is no key with this id")
        await self._access.refresh()
        await self._note(by, "key.revoke", id)

    def _text(self) -> str:
        secret = base64url(self._chance.bytes(32))
        return KEY_PREFIX + self._chance.bytes(KEY_ID_CHARACTERS // 2).hex() + secret

    async def _note(self, by: Principal, action: str, id: str, detail: str = "") -> None:
        change = Change(
            at_ms=self._wall_ms(), by=by.name, action=action, target=f"key/{id}", detail=detail
        )
        await self._trail.add((change,))


def _check(pointer: str, given: Sequence[str], known: Sequence[str]) -> None:
    for index, value in enumerate(given):
        if value not in known:
            detail = f"must be one of {', '.join(known)}"
            raise _refused(f"{pointer}/{index}", "not_allowed", detail)


def _refused(pointer: str, code: str, detail: str) -> RequestRefused:
    problem = FieldProblem(pointer, code, detail)
    return RequestRefused("one field of the request is wrong, see errors", errors=(problem,))
