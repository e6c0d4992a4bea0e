"""What is known of one kind of block: written by perf.adapters.blocks, read by perf.adapters.steps."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BLOCKS_FILE = "blocks.json"
PLAIN, BANKED = "plain", "banked"
"""Folders of a block's two graphs, in its own."""


@dataclass(frozen=True)
class UnetBlock:
    name: str  # its class, with the shapes that tell it from others of that class
    folder: str
    count: int  # of its kind in the network
    parameters: int  # of each
    shapes: Mapping[str, tuple[int, ...]]  # of its inputs


def write_blocks(folder: Path, blocks: Sequence[UnetBlock]) -> None:
    (folder / BLOCKS_FILE).write_text(json.dumps([asdict(block) for block in blocks]))


def read_blocks(folder: Path) -> list[UnetBlock]:
    return [UnetBlock(**found) for found in json.loads((folder / BLOCKS_FILE).read_text())]
