"""Bytes that were ever written to a log are read forever, and mean what they meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.golden.samples import SAMPLES
from tests.golden.shapes import CODES_FILE, FOLDER, KINDS, codes, files, load, named, shape, tag
from tocsin.domain.records import FORMAT, Poison, decode, encode

ALL = sorted(FOLDER.glob("*.json"))
ADD = "run `python -m tests.golden.write` and commit what it adds"


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_bytes_of_every_format_are_read_as_they_were_meant(path: Path) -> None:
    """A field that was added since has its default; every other one has its value."""
    golden = load(path)
    for body, values in zip(golden.bytes, golden.values, strict=True):
        record = decode(bytes.fromhex(body))
        assert not isinstance(record, Poison), record.detail
        assert tag(type(record)) == golden.kind
        assert_holds(named(record), values)


@pytest.mark.parametrize("kind", KINDS, ids=tag)
def test_the_shape_of_a_record_has_a_golden_file(kind: type[msgspec.Struct]) -> None:
    """A field that is renamed, moved or added without one fails here."""
    known = files(kind)
    assert known, f"{kind.__name__} has no golden file: {ADD}"
    assert load(known[-1]).shape == shape(kind), f"the shape of {kind.__name__} is new: {ADD}"


@pytest.mark.parametrize("kind", KINDS, ids=tag)
def test_what_is_written_today_is_what_the_newest_file_holds(kind: type[msgspec.Struct]) -> None:
    newest = load(files(kind)[-1])
    samples = [encode(record).hex() for record in SAMPLES if type(record) is kind]
    assert samples == newest.bytes


@pytest.mark.parametrize("kind", KINDS, ids=tag)
def test_the_samples_fill_every_field(kind: type[msgspec.Struct]) -> None:
    """A field that is left at its default in all samples would prove nothing."""
    samples = [record for record in SAMPLES if type(record) is kind]
    for field in msgspec.structs.fields(kind):
        if field.name != "format" and not field.required:
            filled = [each for each in samples if getattr(each, field.name) != field.default]
            assert filled, f"no sample of {kind.__name__} fills {field.name}"


def test_no_code_that_was_ever_written_is_gone_and_every_new_one_is_noted() -> None:
    """Old records name codes; one that is renamed would make poison of them."""
    written = msgspec.json.decode(CODES_FILE.read_bytes(), type=dict[str, list[str]])
    for name, now in codes().items():
        assert set(written[name]) <= set(now), f"{name} lost a code that lies on logs"
        assert set(now) <= set(written[name]), f"{name} has a new code: {ADD}"


def test_a_record_of_a_later_format_is_poison_and_not_misread() -> None:
    later = msgspec.structs.replace(SAMPLES[0], format=FORMAT + 1)
    found = decode(encode(later))
    assert isinstance(found, Poison)
    assert f"format {FORMAT + 1}" in found.detail


def test_a_change_that_breaks_old_bytes_is_noticed() -> None:
    """The comparison itself can fail: at a lost field, a changed value and a lost element."""
    for now in ({}, {"a": 2}, {"a": [1]}):
        then: dict[str, Any] = {"a": [1, 2]} if now == {"a": [1]} else {"a": 1}
        with pytest.raises(AssertionError):
            assert_holds(now, then)
    assert_holds({"a": [{"b": 1, "new": None}]}, {"a": [{"b": 1}]})


def assert_holds(now: Any, then: Any) -> None:
    """Whatever *then* says, *now* says, too; it may name more fields."""
    if isinstance(then, dict):
        assert isinstance(now, dict)
        assert then.keys() <= now.keys(), f"lost: {then.keys() - now.keys()}"
        for name, value in then.items():
            assert_holds(now[name], value)
    elif isinstance(then, list):
        assert isinstance(now, list)
        assert len(now) == len(then)
        for a, b in zip(now, then, strict=True):
            assert_holds(a, b)
    else:
        assert now == then
