"""
Add a golden file for each kind of record whose shape has none yet: ``python -m tests.golden.write``.

A file that is there is never changed: it stands for bytes that lie on somebody's log. Codes are only
ever added to their list.
"""

from __future__ import annotations

import sys

import msgspec

from tests.golden.samples import SAMPLES
from tests.golden.shapes import (
    CODES_FILE,
    FOLDER,
    KINDS,
    Golden,
    codes,
    files,
    load,
    named,
    shape,
    tag,
)
from tocsin.domain.records import encode


def main() -> int:
    FOLDER.mkdir(exist_ok=True)
    for kind in KINDS:
        known = files(kind)
        if any(load(path).shape == shape(kind) for path in known):
            continue
        samples = [record for record in SAMPLES if type(record) is kind]
        if not samples:
            sys.exit(f"tests/golden/samples.py has no {kind.__name__}")
        golden = Golden(
            kind=tag(kind),
            shape=shape(kind),
            bytes=[encode(record).hex() for record in samples],
            values=[named(record) for record in samples],
        )
        path = FOLDER / f"{tag(kind)}.{len(known) + 1:04}.json"
        path.write_bytes(msgspec.json.format(msgspec.json.encode(golden), indent=1) + b"\n")
        sys.stdout.write(f"{path.name} added: commit it with the change of the record\n")
    _write_codes()
    return 0


def _write_codes() -> None:
    known: dict[str, list[str]] = {}
    if CODES_FILE.exists():
        known = msgspec.json.decode(CODES_FILE.read_bytes(), type=dict[str, list[str]])
    merged = {name: sorted({*known.get(name, []), *now}) for name, now in codes().items()}
    CODES_FILE.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=1) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
