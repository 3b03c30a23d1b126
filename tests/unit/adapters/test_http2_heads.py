"""Heads against a coder that is not ours."""

from __future__ import annotations

import gc

import pytest
from hpack import Decoder, Encoder, HPACKError
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.adapters.http2 import fields, heads
from tocsin.adapters.http2.heads import Head

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300).map(str.strip)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=10)
ODD = [
    "Connection: close",
    "host: x",
    "TE: gzip",
    "content-length: 3",
    "User-Agent: x",
    "x:",
    "x",
    ": x",
]
SENT = LINES.map(lambda lines: [each for each in lines if each[1]])


@pytest.mark.parametrize(
    ("value", "bits", "said"),
    [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a"), (31, 5, "1f00"), (0, 7, "00")],
)
def test_numbers_are_as_in_the_standard(value: int, bits: int, said: str) -> None:
    """RFC 7541, appendix C.1, and the edge of a prefix."""
    assert heads.number(value, bits).hex() == said


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=st.from_regex(r"/[!-~]{0,300}", fullmatch=True),
    bytes_=st.integers(0, 10**9),
    lines=SENT,
)
def test_another_decoder_reads_the_same_request(
    method: str, path: str, bytes_: int, lines: list[tuple[str, str]]
) -> None:
    said = [
        heads.beginning(method, "push.example"),
        heads.path(path),
        heads.AGENT,
        heads.length(bytes_),
        *(heads.line(f"{name}: {value}") for name, value in lines),
    ]
    decoder = Decoder(max_header_list_size=2**20)
    decoder.max_allowed_table_size = decoder.header_table_size = 0
    read = [(bytes(name), bytes(value)) for name, value, *_ in decoder.decode(b"".join(said), True)]
    assert read == [
        (b":method", method.encode()),
        (b":scheme", b"https"),
        (b":authority", b"push.example"),
        (b":path", path.encode()),
        (b"user-agent", b"Tocsin"),
        (b"content-length", b"%d" % bytes_),
        *((name.encode(), value.encode()) for name, value in lines),
    ]


@pytest.mark.parametrize("said", ODD)
def test_what_is_no_header_of_http_2_is_not_made_one(said: str) -> None:
    """RFC 9113, 8.2.2; and what is said elsewhere is not said twice."""
    with pytest.raises(heads.Odd):
        heads.line(said)


def test_a_credential_is_never_to_be_put_into_a_table() -> None:
    assert heads.line("Authorization: bearer x")[0] & 0xF0 == 0x10
    assert heads.line("apns-topic: app")[0] & 0xF0 == 0x00


@given(
    st.lists(st.lists(st.tuples(st.sampled_from(["Authorization", "a", "b"]), VALUES)), max_size=8)
)
def test_lines_that_come_again_are_what_they_were(requests: list[list[tuple[str, str]]]) -> None:
    lines = heads.Lines()
    for request in requests:
        said = [f"{name}: {value}" for name, value in request if value]
        for host in ("one.example", "two.example"):
            assert lines.fields(host, said) == [heads.line(each) for each in said]


def test_a_credential_is_forgotten_as_soon_as_its_host_is_called_with_another() -> None:
    lines = heads.Lines()
    for n in range(3):
        lines.fields("push.example", [f"authorization: bearer token-{n}", "apns-topic: app"])
    lines.fields("other.example", ["authorization: bearer token-9"])
    held = [each for each in _strings(lines) if "token" in each]
    assert sorted(held) == ["authorization: bearer token-2", "authorization: bearer token-9"]


def test_lines_of_single_messages_do_not_gather() -> None:
    lines = heads.Lines()
    for n in range(10_000):
        lines.fields("push.example", [f"apns-collapse-id: {n}"])
    assert len(_strings(lines)) < 5_000


def _strings(held: object) -> list[str]:
    """Return every text that *held* leads to, of whatever it is made."""
    found: dict[int, object] = {}
    todo = [held]
    while todo:
        each = todo.pop()
        if id(each) not in found and not isinstance(each, type):
            found[id(each)] = each
            todo += gc.get_referents(each)
    return [each for each in found.values() if isinstance(each, str)]


@given(status=st.integers(100, 599), lines=LINES, huffman=st.booleans(), first=st.booleans())
def test_what_another_encoder_says_is_read(
    status: int, lines: list[tuple[str, str]], huffman: bool, first: bool
) -> None:
    encoder = Encoder()
    # It says before its first head that its table is put away.
    encoder.header_table_size = 0
    if not first:
        encoder.encode([(":status", "200")])
    head = Head(encoder.encode([(":status", str(status)), *lines], huffman=huffman))
    assert head.status == status
    assert list(head) == [
        f"HTTP/2 {status} \r\n".encode(),
        *(f"{name}: {value}\r\n".encode() for name, value in lines),
        b"\r\n",
    ]


PIECES = st.sampled_from(
    [bytes.fromhex(each) for each in ("88", "48023230", "6e0161", "0f1f0161", "20", "be", "ff01")]
)
"""Fields from the table, others with a name from it, a table put away, a place in none."""


@given(st.lists(PIECES | st.binary(max_size=12), max_size=12).map(b"".join))
@example(b"\x88\x20")
@example(b"\x88\xff\xff\xff\xff\x7f")
@example(b"\x88\x00\x01x\x7f\x80\x80\x00")
@example(b"\x88" + b"\x00\x01x\x7f\xc9\x01" + b"y" * 328)
@example(b"\x88" * 1_600)
@example(b"\x88" * 1_500)
def test_any_block_is_read_as_by_another_decoder(block: bytes) -> None:
    decoder = Decoder(max_header_list_size=65_536)
    decoder.max_allowed_table_size = decoder.header_table_size = 0
    try:
        read = [(bytes(name), bytes(value)) for name, value, *_ in decoder.decode(block, True)]
    except (HPACKError, ValueError):
        read = []
    lines = tuple(Head(block))
    if not read or read[0][0] != b":status":
        assert lines == ()
    else:
        assert lines[0] == b"HTTP/2 %b \r\n" % read[0][1]
        assert lines[1:-1] == tuple(b"%b: %b\r\n" % each for each in read[1:])


def test_a_field_that_is_long_is_not_kept_for_those_that_come_again() -> None:
    """Or a host could fill the memory with what it never says again."""
    said = [(":status", "200")]
    assert Head(Encoder().encode(said)).lines
    before = fields._known.cache_info().currsize
    for n in range(50):
        block = Encoder().encode([*said, ("x", f"{n:0500}")], huffman=False)
        assert Head(block).lines[1] == b"x: %0500d\r\n" % n
    assert fields._known.cache_info().currsize == before
    assert fields._known.cache_info().maxsize is not None


@given(st.binary(max_size=200))
def test_what_is_no_head_has_no_lines(block: bytes) -> None:
    head = Head(block)
    assert head.status is None or 100 <= head.status <= 999
    assert len(head) == len(list(head))


@pytest.mark.parametrize("block", ["", "20", "be", "82", "0003666f6f03626172"])
def test_a_head_without_a_status_is_none(block: str) -> None:
    """Nothing, no more than a table put away, a place in a table, a method, another field."""
    head = Head(bytes.fromhex(block))
    assert (head.status, tuple(head)) == (None, ())
