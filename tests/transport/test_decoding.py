from __future__ import annotations

import gzip
import zlib

import pytest

from penstock.transport.decoding import Decoded, NotWhole, TooLarge

_TEXT = b"hello " * 50_000


def _through(encoding: str, packed: bytes, *, step: int = 1000, limit: int = 10**6) -> bytes:
    decoded = Decoded(encoding, limit)
    pieces = [piece for start in range(0, len(packed), step) for piece in decoded.feed(packed[start : start + step])]
    decoded.end()
    assert all(0 < len(piece) <= 65536 for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 7, 10**6])
@pytest.mark.parametrize(("encoding", "packed"), [("gzip", gzip.compress(_TEXT)), ("deflate", zlib.compress(_TEXT))])
def test_body_is_decoded_at_any_split(encoding: str, packed: bytes, step: int) -> None:
    assert _through(encoding, packed, step=step) == _TEXT


def test_plain_body_passes() -> None:
    assert _through("identity", b"abc", step=1) == _through("", b"abc") == b"abc"


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_cut_body_is_not_whole(cut: int) -> None:
    with pytest.raises(NotWhole):
        _through("gzip", gzip.compress(_TEXT)[:-cut])


def test_unknown_encoding_is_refused() -> None:
    with pytest.raises(NotWhole):
        Decoded("br", 10)


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_body_beyond_the_limit_is_refused(encoding: str) -> None:
    packed = gzip.compress(_TEXT) if encoding else _TEXT
    assert _through(encoding, packed, limit=len(_TEXT), step=60_000) == _TEXT
    with pytest.raises(TooLarge):
        _through(encoding, packed, limit=len(_TEXT) - 1, step=60_000)
