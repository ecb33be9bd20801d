"""The protobuf wire format, as far as ONNX needs it: fields of a message, lazily, out of a memory map, and entries of
one to write. No schemas.

Source: protobuf.dev, "Encoding". Groups (wire types 3 and 4) are deprecated there and do not occur in ONNX.
"""

from __future__ import annotations

from collections.abc import Iterator


class WireError(ValueError):
    """The bytes are no protobuf message, or end too early."""


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """`(field number, value)` in file order: an unsigned integer for varints, the bytes for everything else."""
    for number, start, end, wire in _walk(data, 0, len(data)):
        yield number, varint(data, start)[0] if wire == 0 else data[start:end]


def spans(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """`(field number, start, end)` of each value of the message that lies at `start` to `end`: where to find it."""
    for number, first, last, _ in _walk(data, start, end):
        yield number, first, last


def _walk(data: memoryview, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(field number, start of its value, end of it, wire type) of each field."""
    while position < end:
        key, position = varint(data, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError(f"field 0 at byte {position}")
        if wire == 0:
            size = varint(data, position)[1] - position
        elif wire == 2:
            size, position = varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise WireError(f"wire type {wire} at byte {position}")
        if position + size > end:
            raise WireError(f"a field of {size} bytes where {end - position} are left")
        yield number, position, position + size, wire
        position += size


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The integer at `position`, and the position after it."""
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise WireError("an integer without an end")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def packed(value: int | memoryview) -> Iterator[int]:
    """The integers of a repeated field, which writers may pack into one or spell out one by one."""
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        item, position = varint(value, position)
        yield item


def text(value: int | memoryview) -> str:
    if isinstance(value, int):
        raise WireError("a number where a text should be")
    return bytes(value).decode("utf-8", "replace")


def message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise WireError("a number where a message should be")
    return value


def entry(number: int, value: int | str | bytes) -> bytes:
    """A field of a message as it is written; `value`: not negative where it is an integer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
