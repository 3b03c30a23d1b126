"""A store that is locked for a moment holds nothing up, also in a town whose time stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.town import LAYOUTS, opened
from tests.support.locked import Locked

SHOWN = {"key": "note", "on": ["note"], "steps": [{"channel": "inbox", "title": "t", "body": "b"}]}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_who_finds_the_log_locked_tries_again_though_time_stands(
    tmp_path: Path, layout: str
) -> None:
    locked = Locked()
    async with opened(tmp_path, layout, around=locked.around) as town:
        await town.publish(SHOWN)
        town.start()
        begun_ms = town.clock.now_ms()
        await town.send({"type": "note", "recipients": ["ana"]})
        await town.routed()
        assert town.clock.now_ms() == begun_ms
        assert locked.again >= ({"route"} if layout == "joint" else {"route", "expand"})
