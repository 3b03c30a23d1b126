"""What the Bot API can answer, for who plays it: errors by their description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.ports.simulator import Dial

_DEAD_ADDRESS: Final = (
    "Forbidden: bot was blocked by the user",
    "Forbidden: user is deactivated",
    "Forbidden: bot can't initiate conversation with a user",
    "Forbidden: bot was kicked from the group chat",
    "Forbidden: bot was kicked from the supergroup chat",
    "Forbidden: bot was kicked from the channel chat",
    "Forbidden: bot is not a member of the group chat",
    "Forbidden: bot is not a member of the supergroup chat",
    "Forbidden: bot is not a member of the channel chat",
    "Forbidden: the group chat was deleted",
    "Bad Request: chat not found",
    "Bad Request: USER_IS_BLOCKED",
)
_REFUSE: Final = (
    "Forbidden: bot can't send messages to bots",
    "Bad Request: chat_id is empty",
    "Bad Request: PEER_ID_INVALID",
    "Bad Request: group chat was upgraded to a supergroup chat",
    "Bad Request: message thread not found",
    "Bad Request: have no rights to send a message",
    "Bad Request: not enough rights to send",
    "Bad Request: need administrator rights in the channel chat",
    "Bad Request: CHAT_WRITE_FORBIDDEN",
    "Bad Request: CHAT_RESTRICTED",
    "Bad Request: CHANNEL_PRIVATE",
    "Bad Request: TOPIC_CLOSED",
    "Bad Request: message to edit not found",
    "Bad Request: message can't be edited",
    "Bad Request: MESSAGE_ID_INVALID",
    "Bad Request: message text is empty",
    "Bad Request: text must be non-empty",
    "Bad Request: can't parse",
    "Bad Request: ENTITY_BOUNDS_INVALID",
    "Bad Request: BUTTON_URL_INVALID",
    "Bad Request: BUTTON_DATA_INVALID",
    "Bad Request: inline keyboard button URL",
    "Bad Request: object expected as reply markup",
    "Bad Request: wrong HTTP URL specified",
    "Bad Request: Wrong HTTP URL specified",
    "Bad Request: message is too long",
    "Bad Request: MESSAGE_TOO_LONG",
    "Bad Request: ENTITIES_TOO_LONG",
    "Bad Request: reply markup is too long",
    "Request Entity Too Large",
    "Unauthorized",
    "Not Found",
    "Conflict",
    "Bad Request: Logged out",
)
_THROTTLE: Final = (
    "Too Many Requests",
    "Flood control exceeded",
)
_FAIL: Final = (
    "Internal Server Error",
    "Bad Gateway",
    "Gateway Timeout",
)

CODES: Final[Mapping[str, Dial]] = {
    **dict.fromkeys(_DEAD_ADDRESS, Dial.DEAD_ADDRESS),
    **dict.fromkeys(_REFUSE, Dial.REFUSE),
    **dict.fromkeys(_THROTTLE, Dial.THROTTLE),
    **dict.fromkeys(_FAIL, Dial.FAIL),
}

_STATUSES: Final = {
    "Bad Request": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "Not Found": 404,
    "Conflict": 409,
    "Request Entity Too Large": 413,
    "Too Many Requests": 429,
    "Flood control exceeded": 420,
    "Internal Server Error": 500,
    "Bad Gateway": 502,
    "Gateway Timeout": 504,
}


def status_of(code: str) -> int:
    """Return the status with which *code* comes, which is also its ``error_code``."""
    return _STATUSES[code.partition(":")[0]]
