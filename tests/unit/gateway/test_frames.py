"""The frame codec against RFC 6455, and against an independent implementation of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tocsin.gateway import frames
from tocsin.gateway.frames import FrameError, FrameParser, Message

LIMIT = 2000
MASK = b"\x11\x22\x33\x44"


def client_frame(
    first: int, payload: bytes = b"", *, size: bytes | None = None, mask: bytes = MASK
) -> bytes:
    """Write a client's frame byte by byte, so that it can also be wrong."""
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    head = size if size is not None else bytes((0x80 | len(payload),))
    return bytes((first,)) + head + mask + masked


def read(data: bytes, *, limit: int = LIMIT, piece: int | None = None) -> list[Message]:
    parser = FrameParser(limit)
    step = piece or len(data) or 1
    return [
        message for at in range(0, len(data), step) for message in parser.feed(data[at : at + step])
    ]


def outcome(data: bytes, cuts: list[int]) -> tuple[list[Message], int | None]:
    """Feed the pieces between the cuts; return what came, and the code of the violation."""
    parser = FrameParser(LIMIT)
    came: list[Message] = []
    bounds = [0, *sorted(cuts), len(data)]
    try:
        for begin, end in pairwise(bounds):
            for message in parser.feed(data[begin:end]):
                came.append(message)
                if message[0] == frames.CLOSE:
                    return came, None
    except FrameError as error:
        return came, error.code
    return came, None


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_a_text_frame_is_the_one_that_others_write(size: int) -> None:
    payload = b"x" * size
    assert frames.text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_control_frames_are_those_that_others_write() -> None:
    assert frames.ping_frame() == Frame(Opcode.PING, b"").serialize(mask=False)
    assert frames.ping_frame(b"a") == Frame(Opcode.PING, b"a").serialize(mask=False)
    assert frames.pong_frame(b"b") == Frame(Opcode.PONG, b"b").serialize(mask=False)
    close = Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=False)
    assert frames.close_frame(1000, "bye") == close
    assert frames.close_frame(frames.NO_STATUS) == b"\x88\x00"


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000])
def test_a_code_that_may_not_travel_is_not_sent(code: int) -> None:
    with pytest.raises(ValueError, match=str(code)):
        frames.close_frame(code)


def test_a_control_frame_holds_at_most_125_bytes() -> None:
    assert len(frames.close_frame(1000, "x" * 123)) == 127
    with pytest.raises(ValueError, match="125"):
        frames.close_frame(1000, "x" * 124)
    with pytest.raises(ValueError, match="125"):
        frames.pong_frame(b"x" * 126)


# ---------------------------------------------------------------- reading

JOINED = "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}n \N{SNOWMAN}".encode()


@pytest.mark.parametrize("piece", [None, 1, 2, 3, 7])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(client_frame(0x81), [(frames.TEXT, b"")], id="empty text"),
        pytest.param(client_frame(0x82, b"\xff\x00"), [(frames.BINARY, b"\xff\x00")], id="binary"),
        pytest.param(client_frame(0x89, b"p"), [(frames.PING, b"p")], id="ping"),
        pytest.param(client_frame(0x8A, b"x" * 125), [(frames.PONG, b"x" * 125)], id="pong of 125"),
        pytest.param(
            client_frame(0x01, JOINED[:3]) + client_frame(0x80, JOINED[3:]),
            [(frames.TEXT, JOINED)],
            id="a character split between fragments",
        ),
        pytest.param(
            client_frame(0x01) + client_frame(0x00) + client_frame(0x80),
            [(frames.TEXT, b"")],
            id="empty fragments",
        ),
        pytest.param(
            client_frame(0x01, b"a") + client_frame(0x89, b"p") + client_frame(0x80, b"b"),
            [(frames.PING, b"p"), (frames.TEXT, b"ab")],
            id="a ping between fragments",
        ),
        pytest.param(client_frame(0x88), [(frames.CLOSE, b"")], id="close without a status"),
        pytest.param(
            client_frame(0x88, b"\x03\xe8") + b"\xff\xff\xff",
            [(frames.CLOSE, b"\x03\xe8")],
            id="what follows a close is not read",
        ),
        pytest.param(
            client_frame(0x81, b"x" * 126, size=b"\xfe\x00\x7e"),
            [(frames.TEXT, b"x" * 126)],
            id="length in 2 bytes",
        ),
        pytest.param(
            client_frame(0x81, b"abc", mask=b"\0\0\0\0"),
            [(frames.TEXT, b"abc")],
            id="a mask of zeros",
        ),
    ],
)
def test_what_is_allowed_is_read(data: bytes, expected: list[Message], piece: int | None) -> None:
    if expected and expected[-1][0] == frames.CLOSE:
        piece = None  # after a Close the parser is not fed again
    assert read(data, piece=piece) == expected


def test_a_length_in_8_bytes_is_read() -> None:
    payload = b"x" * 65_536
    data = client_frame(0x81, payload, size=b"\xff" + (65_536).to_bytes(8))
    assert read(data, limit=65_536, piece=10_000) == [(frames.TEXT, payload)]


@pytest.mark.parametrize("piece", [None, 1])
@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(client_frame(0xC1), 1002, id="first reserved bit"),
        pytest.param(client_frame(0xA1), 1002, id="second reserved bit"),
        pytest.param(client_frame(0x91), 1002, id="third reserved bit"),
        pytest.param(client_frame(0xC9), 1002, id="reserved bit of a ping"),
        *(
            pytest.param(client_frame(0x80 | opcode), 1002, id=f"reserved opcode {opcode:x}")
            for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
        ),
        pytest.param(b"\x81\x01a", 1002, id="text without a mask"),
        pytest.param(b"\x88\x00", 1002, id="close without a mask"),
        pytest.param(client_frame(0x09), 1002, id="ping in fragments"),
        pytest.param(client_frame(0x08), 1002, id="close in fragments"),
        pytest.param(client_frame(0x89, size=b"\xfe\x00\x7e"), 1002, id="ping of 126 bytes"),
        pytest.param(client_frame(0x88, size=b"\xff" + bytes(8)), 1002, id="close of 8-byte size"),
        pytest.param(client_frame(0x80, b"a"), 1002, id="last fragment of nothing"),
        pytest.param(client_frame(0x00, b"a"), 1002, id="fragment of nothing"),
        pytest.param(
            client_frame(0x01) + client_frame(0x81), 1002, id="a message inside a message"
        ),
        pytest.param(
            client_frame(0x01) + client_frame(0x02), 1002, id="a beginning inside a message"
        ),
        pytest.param(
            client_frame(0x01) + client_frame(0x80) + client_frame(0x80), 1002, id="end after end"
        ),
        pytest.param(client_frame(0x81, size=b"\xfe\x00\x7d"), 1002, id="2 bytes for 125"),
        pytest.param(
            client_frame(0x81, size=b"\xff" + (65_535).to_bytes(8)), 1002, id="8 bytes for 65,535"
        ),
        pytest.param(
            client_frame(0x81, size=b"\xff\x80" + bytes(7)), 1002, id="sign bit of a size"
        ),
        pytest.param(client_frame(0x88, b"\x03"), 1002, id="close of one byte"),
        *(
            pytest.param(client_frame(0x88, code.to_bytes(2)), 1002, id=f"close with {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
        ),
        pytest.param(client_frame(0x88, b"\x03\xe8\xff"), 1007, id="close reason not UTF-8"),
        pytest.param(client_frame(0x81, b"\xff"), 1007, id="no UTF-8"),
        pytest.param(client_frame(0x81, b"\xc0\xaf"), 1007, id="overlong UTF-8"),
        pytest.param(client_frame(0x81, b"\xed\xa0\x80"), 1007, id="a surrogate"),
        pytest.param(client_frame(0x81, b"\xf4\x90\x80\x80"), 1007, id="beyond Unicode"),
        pytest.param(client_frame(0x81, b"\xe2\x98"), 1007, id="half a character"),
        pytest.param(
            client_frame(0x01, b"\xe2") + client_frame(0x80, b"a"), 1007, id="broken by a fragment"
        ),
        pytest.param(client_frame(0x81, size=b"\xfe\x07\xd1"), 1009, id="one byte too many"),
        pytest.param(
            client_frame(0x82, size=b"\xff" + (1 << 40).to_bytes(8)), 1009, id="a terabyte"
        ),
        pytest.param(
            client_frame(0x01, b"x" * 100) + client_frame(0x80, size=b"\xfe\x07\x6d"),
            1009,
            id="too many in fragments",
        ),
    ],
)
def test_what_is_forbidden_has_its_code(data: bytes, code: int, piece: int | None) -> None:
    with pytest.raises(FrameError) as raised:
        read(data, piece=piece)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
)
def test_an_allowed_close_code_is_read(code: int) -> None:
    [(opcode, payload)] = read(client_frame(0x88, code.to_bytes(2) + b"why"))
    assert (opcode, frames.close_code(payload)) == (frames.CLOSE, code)


def test_an_empty_close_has_no_status() -> None:
    assert frames.close_code(b"") == frames.NO_STATUS


def test_what_came_before_a_violation_is_still_handed_out() -> None:
    parser = FrameParser(LIMIT)
    came = parser.feed(client_frame(0x81, b"good") + client_frame(0x83))
    assert next(came) == (frames.TEXT, b"good")
    with pytest.raises(FrameError):
        next(came)


def test_a_message_of_exactly_the_limit_is_read() -> None:
    data = client_frame(0x01, b"x" * 100) + client_frame(
        0x80, b"y" * (LIMIT - 100), size=b"\xfe" + (LIMIT - 100).to_bytes(2)
    )
    assert read(data) == [(frames.TEXT, b"x" * 100 + b"y" * (LIMIT - 100))]


def test_an_error_does_not_carry_what_was_sent() -> None:
    with pytest.raises(FrameError) as raised:
        read(client_frame(0x81, b"secret \xff"))
    assert "secret" not in repr(raised.value)
    assert raised.value.__suppress_context__


# ---------------------------------------------------------------- any stream, any pieces

# One letter of each length in UTF-8.
letters = st.sampled_from("a\u00fc\u2603\U0001f389")
masks = st.binary(min_size=4, max_size=4)
controls = st.tuples(st.sampled_from((Opcode.PING, Opcode.PONG)), st.binary(max_size=125))
fragments = st.tuples(st.lists(controls, max_size=2), st.integers(0, 300))


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Message]]:
    """Draw a valid client's stream, written by the other implementation, and what it says."""
    written = bytearray()
    said: list[Message] = []
    for _ in range(draw(st.integers(0, 5))):
        text = draw(st.booleans())
        payload = (
            draw(st.text(letters, max_size=200)).encode() if text else draw(st.binary(max_size=300))
        )
        opcode = Opcode.TEXT if text else Opcode.BINARY
        rest = payload
        for between, size in draw(st.lists(fragments, max_size=3)):
            written += Frame(opcode, rest[:size], fin=False).serialize(mask=True)
            rest, opcode = rest[size:], Opcode.CONT
            for control, data in between:
                written += Frame(control, data).serialize(mask=True)
                said.append((int(control), data))
        written += Frame(opcode, rest).serialize(mask=True)
        said.append((frames.TEXT if text else frames.BINARY, payload))
    return bytes(written), said


cut_points = st.lists(st.integers(0, 2000), max_size=20)


@given(streams(), cut_points)
def test_any_pieces_of_a_stream_say_the_same(
    stream: tuple[bytes, list[Message]], cuts: list[int]
) -> None:
    data, said = stream
    assert outcome(data, [cut for cut in cuts if cut <= len(data)]) == (said, None)


@given(streams(), st.binary(max_size=40), st.integers(0, 2000), cut_points)
def test_a_damaged_stream_ends_the_same_in_any_pieces(
    stream: tuple[bytes, list[Message]], damage: bytes, at: int, cuts: list[int]
) -> None:
    whole, _ = stream
    data = whole[:at] + damage + whole[at + len(damage) :]
    came, code = outcome(data, [cut for cut in cuts if cut <= len(data)])
    assert (came, code) == outcome(data, [])
    assert code in {None, 1002, 1007, 1009}
    assert all(len(payload) <= LIMIT for _, payload in came)


@given(masks, st.binary(max_size=70))
def test_unmasking_is_a_xor_with_the_repeated_mask(mask: bytes, payload: bytes) -> None:
    assert read(client_frame(0x82, payload, mask=mask)) == [(frames.BINARY, payload)]


@given(st.integers(1, 60), st.integers(1, 9))
def test_what_is_kept_is_bounded_by_the_limit(frame_count: int, piece: int) -> None:
    parser = FrameParser(LIMIT)
    data = client_frame(0x01, b"x" * 100) + client_frame(0x00, b"x" * 100) * frame_count
    code = None
    try:
        for at in range(0, len(data), piece):
            assert list(parser.feed(data[at : at + piece])) == []
    except FrameError as error:
        code = error.code
    assert code == (1009 if (frame_count + 1) * 100 > LIMIT else None)
