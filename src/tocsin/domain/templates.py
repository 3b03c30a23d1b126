"""Customers' templates: what they may say, checked at publishing, and how they are rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


class RenderFailed(Exception):
    """A template could not be rendered with this data."""


@dataclass(frozen=True, slots=True)
class Template:
    """
    One compiled template.

    ``paths`` are the variables that it reads (``data.order``, ``recipient.name``); ``render``
    takes ``{"data": …, "recipient": …, "actor": …, "tenant": …}`` and raises `RenderFailed`.
    """

    source: str
    paths: frozenset[str]
    render: Callable[[Mapping[str, object]], str]


def compile_template(source: str, *, pointer: str = "", html: bool = False) -> Template:
    """Check and compile; raises `RequestRefused` for what a template may not hold."""
    raise NotImplementedError
