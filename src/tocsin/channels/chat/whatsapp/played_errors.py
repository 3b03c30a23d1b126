"""What Meta can answer, for who plays it: status and dial of each of its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.ports.simulator import Dial

_ALL: Final = {
    "0": (401, Dial.REFUSE),
    "3": (500, Dial.REFUSE),
    "10": (403, Dial.REFUSE),
    "190": (401, Dial.REFUSE),
    "200": (403, Dial.REFUSE),
    "33": (400, Dial.REFUSE),
    "368": (403, Dial.REFUSE),
    "131005": (403, Dial.REFUSE),
    "131031": (403, Dial.REFUSE),
    "131037": (400, Dial.REFUSE),
    "131042": (400, Dial.REFUSE),
    "131045": (500, Dial.REFUSE),
    "133006": (400, Dial.REFUSE),
    "133010": (400, Dial.REFUSE),
    "133015": (400, Dial.REFUSE),
    "131026": (400, Dial.DEAD_ADDRESS),
    "131021": (400, Dial.REFUSE),
    "130472": (400, Dial.REFUSE),
    "130497": (403, Dial.REFUSE),
    "131047": (400, Dial.REFUSE),
    "131049": (400, Dial.REFUSE),
    "131050": (400, Dial.REFUSE),
    "132015": (400, Dial.REFUSE),
    "100": (400, Dial.REFUSE),
    "131008": (400, Dial.REFUSE),
    "131009": (400, Dial.REFUSE),
    "131051": (400, Dial.REFUSE),
    "131052": (400, Dial.REFUSE),
    "131053": (400, Dial.REFUSE),
    "131062": (400, Dial.REFUSE),
    "132000": (400, Dial.REFUSE),
    "132001": (404, Dial.REFUSE),
    "132007": (400, Dial.REFUSE),
    "132012": (400, Dial.REFUSE),
    "132016": (400, Dial.REFUSE),
    "135000": (400, Dial.REFUSE),
    "132005": (400, Dial.REFUSE),
    "4": (400, Dial.THROTTLE),
    "80007": (400, Dial.THROTTLE),
    "130429": (400, Dial.THROTTLE),
    "131048": (400, Dial.THROTTLE),
    "131056": (400, Dial.THROTTLE),
    "133016": (400, Dial.THROTTLE),
    "131057": (500, Dial.THROTTLE),
    "1": (400, Dial.FAIL),
    "2": (503, Dial.FAIL),
    "131000": (500, Dial.FAIL),
    "131016": (500, Dial.FAIL),
    "133004": (503, Dial.FAIL),
}

CODES: Final[Mapping[str, Dial]] = {code: dial for code, (_, dial) in _ALL.items()}


def status_of(code: str) -> int:
    """Return the status with which *code* comes."""
    return _ALL[code][0]
