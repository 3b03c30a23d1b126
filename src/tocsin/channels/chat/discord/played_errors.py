"""What Discord can answer, for who plays it: status and dial of each of its codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tocsin.ports.simulator import Dial

SHARED: Final = "429 shared"
_ALL: Final = {
    "10015": (404, Dial.DEAD_ADDRESS),
    "10003": (404, Dial.DEAD_ADDRESS),
    "10004": (404, Dial.DEAD_ADDRESS),
    "50027": (401, Dial.DEAD_ADDRESS),
    "50024": (400, Dial.REFUSE),
    "220001": (400, Dial.REFUSE),
    "220002": (400, Dial.REFUSE),
    "220003": (400, Dial.REFUSE),
    "220004": (400, Dial.REFUSE),
    "50083": (400, Dial.REFUSE),
    "160005": (400, Dial.REFUSE),
    "50001": (403, Dial.REFUSE),
    "50013": (403, Dial.REFUSE),
    "200000": (400, Dial.REFUSE),
    "200001": (400, Dial.REFUSE),
    "240000": (400, Dial.REFUSE),
    "10008": (404, Dial.REFUSE),
    "50005": (403, Dial.REFUSE),
    "50035": (400, Dial.REFUSE),
    "50006": (400, Dial.REFUSE),
    "50109": (400, Dial.REFUSE),
    "50008": (400, Dial.REFUSE),
    "50068": (400, Dial.REFUSE),
    "40005": (413, Dial.REFUSE),
    "50045": (400, Dial.REFUSE),
    "40333": (403, Dial.REFUSE),
    "40001": (401, Dial.REFUSE),
    "50014": (401, Dial.REFUSE),
    "50041": (400, Dial.REFUSE),
    "20016": (429, Dial.THROTTLE),
    "20028": (429, Dial.THROTTLE),
    "20029": (429, Dial.THROTTLE),
    "40062": (429, Dial.THROTTLE),
    "30046": (429, Dial.THROTTLE),
    "130000": (503, Dial.FAIL),
    "banned": (429, Dial.THROTTLE),
    "404": (404, Dial.REFUSE),
    "413": (413, Dial.REFUSE),
    "429": (429, Dial.THROTTLE),
    SHARED: (429, Dial.THROTTLE),
    "500": (500, Dial.FAIL),
    "502": (502, Dial.FAIL),
    "503": (503, Dial.FAIL),
    "504": (504, Dial.FAIL),
}

CODES: Final[Mapping[str, Dial]] = {code: dial for code, (_, dial) in _ALL.items()}


def status_of(code: str) -> int:
    """Return the status with which *code* comes."""
    return _ALL[code][0]
