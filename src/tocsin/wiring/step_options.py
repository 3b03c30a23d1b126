"""What the folders of providers say of a step's options."""

from __future__ import annotations

import msgspec

from tocsin.channels.registry import Registry
from tocsin.domain.names import nearest


def options_problem(registry: Registry, channel: str, provider: str, table: object) -> str | None:
    """Return what is wrong with the table that a step has for *provider*; None where nobody can say."""
    spec = registry.specs.get(provider)
    there = [each.name for each in registry.specs.values() if each.channel == channel]
    if spec is None or spec.channel != channel:
        close = nearest(provider, there)
        known = f"did you mean {close}?" if close else f"there are: {', '.join(there) or 'none'}"
        return f"no provider of {channel} is called so; {known}"
    if spec.options is None:
        return None
    try:
        msgspec.convert(table, spec.options)
    except msgspec.ValidationError as wrong:
        return str(wrong)
    return None
