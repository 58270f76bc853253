"""A tenant's logo: a PNG (RFC 2083; W3C PNG, third edition), of which only what draws is kept.

PNG, because it holds no script, no link and no text that anybody executes, and because it can be
read to its end: each chunk is known and its checksum right, the pixels are as many as the header
says, and what stands between or behind them is left out (animations, profiles, text, and whatever
a file of two kinds would carry).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from safeconduct.core.errors import ApiError, bad_request

MAX_LOGO = 128 * 1024
MAX_SIDE = 1024
MEDIA_TYPE = "image/png"
WIDE = 2.5  # from here on it is taken for the name, written out

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs"})
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES = (*_ADAM7, (0, 1, 1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """`tag` names its content, and so the address where it lies."""

    tag: str
    width: int
    height: int
    body: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    width: int
    height: int
    bits: int  # of one pixel
    interlaced: bool

    def size(self) -> int:
        """The bytes of the pixels, each line led by its filter."""
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        total = 0
        for x, y, dx, dy in passes:
            wide, high = -(-(self.width - x) // dx), -(-(self.height - y) // dy)
            total += high * (1 + (wide * self.bits + 7) // 8) if wide > 0 and high > 0 else 0
        return total


def read_logo(body: bytes) -> Picture:
    """The picture, cleaned; 400 `invalid_logo` says what is wrong with it."""
    if len(body) > MAX_LOGO:
        raise ApiError(413, "too_large", f"A logo has at most {MAX_LOGO // 1024} KiB.")
    if not body.startswith(_SIGNATURE):
        raise _wrong("it is not a PNG")
    chunks = [(type, data) for type, data in _chunks(body) if type in _KEPT]
    types = [type for type, _ in chunks]
    if types[:1] != [b"IHDR"] or types.count(b"IHDR") != 1 or b"IDAT" not in types:
        raise _wrong("it has no header or no pixels")
    header = _header(chunks[0][1])
    _check_pixels(b"".join(data for type, data in chunks if type == b"IDAT"), header.size())
    kept = _SIGNATURE + b"".join(_chunk(type, data) for type, data in chunks)
    return Picture(
        tag=sha256(kept).hexdigest()[:32], width=header.width, height=header.height, body=kept
    )


def _chunks(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """PNG §5.3: length, type, data, checksum of type and data; IEND is the last."""
    at = len(_SIGNATURE)
    while at + 12 <= len(body):
        size, type = int.from_bytes(body[at : at + 4]), body[at + 4 : at + 8]
        end = at + 12 + size
        data = body[at + 8 : end - 4]
        if end > len(body) or zlib.crc32(type + data) != int.from_bytes(body[end - 4 : end]):
            break
        if type not in _KEPT and not type[0] & 0x20:  # §5.4: upper case, so nobody may skip it
            raise _wrong("it has a part that is not known")
        yield type, data
        if type == b"IEND":
            return
        at = end
    raise _wrong("it is damaged")


def _header(data: bytes) -> _Header:
    """PNG §11.2.1."""
    if len(data) != 13:
        raise _wrong("it is damaged")
    width, height = int.from_bytes(data[:4]), int.from_bytes(data[4:8])
    depth, colour, packing, filtering, interlace = data[8:]
    if depth not in _DEPTHS.get(colour, ()) or packing or filtering or interlace > 1:
        raise _wrong("it is damaged")
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise _wrong(f"its sides must be 1 to {MAX_SIDE} pixels")
    return _Header(width, height, depth * _CHANNELS[colour], interlace == 1)


def _check_pixels(packed: bytes, size: int) -> None:
    """As many as the header says: nothing that is small here is large in a browser."""
    reader = zlib.decompressobj()
    try:
        found = len(reader.decompress(packed, size + 1))
    except zlib.error:
        raise _wrong("it is damaged") from None
    if found != size or not reader.eof:
        raise _wrong("it is damaged")


def _chunk(type: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + type + data + zlib.crc32(type + data).to_bytes(4)


def _wrong(why: str) -> ApiError:
    return bad_request("invalid_logo", f"The logo cannot be used: {why}.", field="logo")
