"""Bytes that were damaged, at random but the same on every machine."""

import random
from collections.abc import Iterator

_TELLING = (
    b"\0",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 4,
    b"\xff" * 8,
    b"\0" * 8,
    b"(",
    b"'",
    b"9" * 20,
    b"\n",
)


def mutants(whole: bytes, count: int) -> Iterator[bytes]:
    """`count` copies of some bytes, each cut off, with a piece repeated or left out, or overwritten."""
    draw = random.Random(len(whole))
    for _ in range(count):
        data = bytearray(whole)
        kind = draw.randrange(8)
        at = draw.randrange(len(data))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at:at] = data[draw.randrange(len(data)) :][: draw.randrange(1, 64)]
        elif kind == 2:
            del data[at : at + draw.randrange(1, 8)]
        else:
            for _ in range(draw.randrange(1, 5)):
                place = draw.randrange(len(data))
                piece = draw.choice(_TELLING) if draw.random() < 0.5 else bytes([draw.randrange(256)])
                data[place : place + len(piece)] = piece
        yield bytes(data)
