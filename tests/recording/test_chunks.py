import lz4.frame
import pytest
import zstandard
from mcap.records import Chunk

from wm_planner.recording.chunks import MAX_BYTES, records_of

ZEROS = bytes(2**20)


def chunk(data: bytes, compression: str, size: int) -> Chunk:
    return Chunk(compression, data, 0, 0, 0, size)


@pytest.mark.parametrize(
    "data, compression",
    [
        (zstandard.compress(ZEROS), "zstd"),
        (lz4.frame.compress(ZEROS), "lz4"),
        (ZEROS, ""),
    ],
)
def test_a_chunk_that_holds_more_than_it_declares_is_refused_without_expanding_it(data, compression):
    with pytest.raises(ValueError, match=r"declares 9 bytes and holds 10 or more|holds 1048576"):
        records_of(chunk(data, compression, 9))


def test_a_chunk_that_declares_too_much_or_an_unknown_compression_is_refused():
    with pytest.raises(ValueError, match=f"wanted at most {MAX_BYTES}"):
        records_of(chunk(b"", "", 2**40))
    with pytest.raises(ValueError, match=r"compressed by 'brotli', wanted zstd or lz4"):
        records_of(chunk(b"", "brotli", 0))
