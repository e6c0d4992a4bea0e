"""Rows as bytes, in blocks: fixed columns, then texts, then the vectors that no graph holds."""

import struct
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from frontend.cache.index.block import Block

BLOCK = 1_024  # rows
HEADER = struct.Struct("<4sIQQI")  # magic, rows, bytes of names, bytes of payloads, vectors
MAGIC = b"rows"
FIXED = np.dtype(
    [("order", "<i8"), ("time", "<i8"), ("key", "<u8"), ("node", "<i8"), ("name", "<u2"), ("payload", "<u4")]
)


class Damaged(Exception):
    """The words say where."""


def encode(block: Block) -> bytes:
    fixed = np.zeros(len(block.names), FIXED)
    names = [name.encode() for name in block.names]
    fixed["order"], fixed["time"] = block.orders, block.times
    fixed["key"], fixed["node"] = block.keys, block.nodes
    fixed["name"] = [len(name) for name in names]
    fixed["payload"] = [len(payload) for payload in block.payloads]
    texts, payloads = b"".join(names), b"".join(block.payloads)
    header = HEADER.pack(MAGIC, len(names), len(texts), len(payloads), len(block.vectors))
    return b"".join((header, fixed.tobytes(), texts, payloads, block.vectors.astype("<f4").tobytes()))


def decode(file: BinaryIO, size: int, dimension: int) -> Iterator[Block]:
    """`size`: of the whole file; nothing larger than what is left of it is ever read. Raises Damaged."""
    while size:
        header = _exactly(file, HEADER.size, size)
        magic, rows, name_bytes, payload_bytes, vectors = HEADER.unpack(header)
        body = rows * FIXED.itemsize + name_bytes + payload_bytes + vectors * dimension * 4
        size -= HEADER.size
        if magic != MAGIC or not 0 < rows <= BLOCK or vectors > rows:
            raise Damaged("a block's header makes no sense")
        yield _block(_exactly(file, body, size), rows, (name_bytes, payload_bytes, vectors), dimension)
        size -= body


def _block(body: bytes, rows: int, sizes: tuple[int, int, int], dimension: int) -> Block:
    name_bytes, payload_bytes, vectors = sizes
    fixed = np.frombuffer(body, FIXED, rows)
    texts = rows * FIXED.itemsize
    payloads = texts + name_bytes
    floats = payloads + payload_bytes
    return Block(
        orders=fixed["order"],
        times=fixed["time"],
        keys=fixed["key"],
        nodes=fixed["node"],
        names=[name.decode() for name in _cut(body[texts:payloads], fixed["name"])],
        payloads=_cut(body[payloads:floats], fixed["payload"]),
        vectors=np.frombuffer(body, "<f4", vectors * dimension, floats).reshape(vectors, dimension),
    )


def _cut(whole: bytes, lengths: npt.NDArray[np.integer]) -> list[bytes]:
    ends = list(accumulate(lengths.tolist(), initial=0))
    if ends[-1] != len(whole):
        raise Damaged("lengths do not add up")
    return [whole[start:end] for start, end in pairwise(ends)]


def _exactly(file: BinaryIO, count: int, left: int) -> bytes:
    if count > left:
        raise Damaged("cut off")
    data = file.read(count)
    if len(data) != count:
        raise Damaged("cut off")
    return data
