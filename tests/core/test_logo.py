"""Logos: a PNG is read to its end, and only what draws is kept."""

import zlib

import pytest

from safeconduct.core.errors import ApiError
from safeconduct.core.logo import MAX_LOGO, MAX_SIDE, read_logo

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(type: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + type + data + zlib.crc32(type + data).to_bytes(4)


def header(
    width: int = 4, height: int = 2, depth: int = 8, colour: int = 6, more: int = 0
) -> bytes:
    data = width.to_bytes(4) + height.to_bytes(4) + bytes([depth, colour, 0, 0, more])
    return chunk(b"IHDR", data)


def pixels(size: int = 2 * (1 + 4 * 4)) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(size)))


END = chunk(b"IEND", b"")
PNG = SIGNATURE + header() + pixels() + END


def test_a_picture_is_kept_as_it_is() -> None:
    picture = read_logo(PNG)
    assert picture.body == PNG
    assert (picture.width, picture.height) == (4, 2)
    assert len(picture.tag) == 32


def test_all_kinds_of_pixels() -> None:
    for depth, colour, line in ((1, 0, 1), (8, 2, 12), (2, 3, 1), (16, 4, 16), (16, 6, 32)):
        body = SIGNATURE + header(4, 2, depth, colour) + pixels(2 * (1 + line)) + END
        assert read_logo(body).width == 4
    woven = SIGNATURE + header(4, 2, 8, 6, 1) + pixels((1 + 4) + (1 + 4) + (1 + 8) + (1 + 16)) + END
    assert read_logo(woven).height == 2


def test_what_draws_nothing_is_left_out() -> None:
    script = b"<svg onload=alert(1)></svg>"
    more = chunk(b"tEXt", b"Comment\0" + script) + chunk(b"eXIf", b"where it was taken")
    moving = chunk(b"acTL", bytes(8)) + chunk(b"iCCP", script)
    picture = read_logo(
        SIGNATURE + header() + more + moving + pixels() + END + script + b"PK\x03\x04"
    )
    assert picture.body == PNG


@pytest.mark.attack("I8")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a" + bytes(20),
        SIGNATURE,
        SIGNATURE + header() + END,  # no pixels
        SIGNATURE + pixels() + END,  # no header
        SIGNATURE + header() + header() + pixels() + END,
        PNG[:-12],  # no end
        PNG[:20] + b"\xff" + PNG[21:],  # a wrong checksum
        SIGNATURE + header() + pixels(33) + END,  # too few pixels
        SIGNATURE + header() + pixels(50_000_000) + END,  # many more than it says
        SIGNATURE + header() + chunk(b"IDAT", b"not packed") + END,
        SIGNATURE + header(0, 2) + pixels() + END,
        SIGNATURE + header(MAX_SIDE + 1, 2) + pixels() + END,
        SIGNATURE + header(4, 2, 3, 6) + pixels() + END,  # a depth that there is not
        SIGNATURE + header() + chunk(b"EVIL", b"") + pixels() + END,
        SIGNATURE + chunk(b"IHDR", b"short") + pixels() + END,
        SIGNATURE + (2**32 - 1).to_bytes(4) + b"IHDR",
    ],
)
def test_what_is_no_such_picture(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_logo(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_logo")


def test_what_is_too_large() -> None:
    with pytest.raises(ApiError) as refused:
        read_logo(PNG + bytes(MAX_LOGO))
    assert refused.value.status == 413
