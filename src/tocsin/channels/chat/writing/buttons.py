"""Buttons that lead somewhere, as chats can have them."""

from __future__ import annotations

from collections.abc import Sequence

from tocsin.ports.message import Button, Content


def links(content: Content, count_max: int) -> Sequence[Button]:
    """
    Return the first buttons that lead to a whole URL.

    A path alone leads somewhere in the product, which a chat is not; platforms refuse it together
    with the message.
    """
    whole = [each for each in content.buttons if each.url.startswith(("https://", "http://"))]
    return whole[:count_max]
