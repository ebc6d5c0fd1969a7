"""Decompression of the chunks of an MCAP file, within limits: a small chunk cannot become a huge one."""

import dataclasses
from typing import Any

import lz4.frame  # type: ignore[import-untyped]
import zstandard
from mcap.records import Chunk
from mcap.stream_reader import breakup_chunk

MAX_BYTES = 256 * 2**20
"""In a chunk after decompression."""


def records_of(chunk: Chunk) -> list[Any]:
    """The records in a chunk.

    Raises:
        ValueError: if the chunk has another size than it declares, or more than `MAX_BYTES`, or is compressed
            in another way than by zstd or lz4.
        RuntimeError: if its lz4 frame is damaged.
        zstandard.ZstdError: if its zstd frame is.
        mcap.exceptions.McapError: if a record in it is.
    """
    size = chunk.uncompressed_size
    if size > MAX_BYTES:
        raise ValueError(f"a chunk declares {size} bytes, wanted at most {MAX_BYTES}")
    data = _decompressed(chunk.data, chunk.compression, size + 1)
    if len(data) != size:
        raise ValueError(f"a chunk declares {size} bytes and holds {len(data)} or more")
    records: list[Any] = breakup_chunk(dataclasses.replace(chunk, compression="", data=data))
    return records


def _decompressed(data: bytes, compression: str, most: int) -> bytes:
    """The first `most` bytes."""
    if compression == "zstd":
        with zstandard.ZstdDecompressor(max_window_size=MAX_BYTES).stream_reader(data) as reader:
            return bytes(reader.read(most))
    if compression == "lz4":
        return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=most))
    if compression:
        raise ValueError(f"a chunk is compressed by '{compression}', wanted zstd or lz4")
    return data
