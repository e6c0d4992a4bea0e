"""An adapter bank: tables of low-rank factors in a network, so that samples of one batch draw with different
LoRAs.

A layer with a bank makes `W x + Σ strength · up[slot]ᵀ (down[slot] x)`, summed over a sample's adapters. A
slot holds one LoRA's factors for all layers; slot 0 holds zeros for ever, and stands for none. The tables are
inputs of the graph that no client gives: the backend binds them once, to a file that is mapped into memory,
and whoever loads a LoRA writes into that file. So a new character is no new engine, and no engine is read
again.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contract.limits import MAX_STRENGTH
from contract.parts import ModelPart, TensorSpec
from contract.safetensors_header import BadSafetensors, read_header

BANK_FILE = "bank.json"
"""Beside the config.pbtxt of a network that has a bank."""
FACTORS_FILE = "factors.safetensors"
"""In the folder of a character that is drawn with a bank, which has no config.pbtxt: Triton loads nothing of
it. Tensors are called as the tables are, fp16, [rows, columns] of one slot at most."""
STRENGTH = "strength"
"""In the metadata of that file."""
SLOTS, STRENGTHS = "slots", "strengths"
MAX_ADAPTERS = 2
"""Of one sample: a character and a style."""
MAX_SLOTS, MAX_RANK = 256, 128
ADAPTERS = "adapters"  # the axis
DOWN, UP = ".lora_down", ".lora_up"
"""End of a table's name, behind that of the module: unet.mid_block.attentions.0.proj_in.lora_down."""
BYTES = 4  # of a value in a table: fp32
PAGE = 4096  # bytes; every table begins at one
FORMAT = 1


class BadBank(Exception):
    """A network's bank.json, or the file of its tables, cannot be used; the text is one line."""


@dataclass(frozen=True)
class BankSize:
    slots: int  # of LoRAs at once; the tables have one more
    rank: int

    def __post_init__(self) -> None:
        if not 1 <= self.slots <= MAX_SLOTS or not 1 <= self.rank <= MAX_RANK:
            raise BadBank(
                f"a bank of {self.slots} slots of rank {self.rank}: expected 1 to {MAX_SLOTS} slots "
                f"of rank 1 to {MAX_RANK}"
            )

    @classmethod
    def of_text(cls, text: str) -> "BankSize":
        """16x16: slots by rank. Raises BadBank."""
        found = re.fullmatch(r"(\d{1,4})[x×](\d{1,4})", text.strip().lower())
        if not found:
            raise BadBank(f"{text!r} is no SLOTSxRANK, such as 16x16")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.slots}x{self.rank}"


@dataclass(frozen=True)
class Table:
    """One layer's factors of one side, for all slots: [slots + 1, rows, columns]."""

    name: str
    rows: int  # the rank; of a convolution's down, times the places of its kernel
    columns: int  # inputs of the layer (down) or outputs (up)


@dataclass(frozen=True)
class Bank:
    """Of one network. Its tables lie in one file, one after the other, in this order, each from a page on."""

    size: BankSize
    tables: tuple[Table, ...]

    def shape(self, table: Table) -> tuple[int, int, int]:
        return (self.size.slots + 1, table.rows, table.columns)

    def offsets(self) -> Mapping[str, int]:
        """Of each table in the file, in bytes."""
        found, place = {}, 0
        for table in self.tables:
            found[table.name] = place
            place += -(-self._bytes(table) // PAGE) * PAGE
        return found

    @property
    def file_bytes(self) -> int:
        if not self.tables:
            return 0
        last = self.tables[-1]
        return self.offsets()[last.name] + self._bytes(last)

    def _bytes(self, table: Table) -> int:
        return math.prod(self.shape(table)) * BYTES

    def to_json(self) -> bytes:
        tables = [[table.name, table.rows, table.columns] for table in self.tables]
        whole = {"format": FORMAT, "slots": self.size.slots, "rank": self.size.rank, "tables": tables}
        return (json.dumps(whole) + "\n").encode()


def read_bank(network: Path) -> Bank | None:
    """Of a network's folder; None where it has no bank. Raises BadBank."""
    path = network / BANK_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
        if found["format"] != FORMAT:
            raise ValueError(f"format is {found['format']!r}, expected {FORMAT}")
        tables = tuple(_table(*each) for each in found["tables"])
        return Bank(BankSize(int(found["slots"]), int(found["rank"])), tables)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, BadBank) as error:
        raise BadBank(f"{network.name}/{BANK_FILE}: {type(error).__name__}: {error}") from None


def _table(name: Any, rows: Any, columns: Any) -> Table:
    if not isinstance(name, str) or not name.endswith((DOWN, UP)):
        raise ValueError(f"{name!r} is no table")
    if type(rows) is not int or type(columns) is not int or rows < 1 or columns < 1:
        raise ValueError(f"{name} is {rows!r} by {columns!r}")
    return Table(name, rows, columns)


def read_strength(factors: Path) -> float:
    """How much of a LoRA is drawn with, as its file of factors says. Raises BadBank and OSError."""
    try:
        found = float(read_header(factors).metadata[STRENGTH])
    except (BadSafetensors, KeyError, ValueError) as error:
        raise BadBank(f"{factors.name}: {error}") from None
    if not abs(found) <= MAX_STRENGTH:  # also false for NaN
        raise BadBank(f"{factors.name}: strength is {found}")
    return found


def with_bank(part: ModelPart, adapters: int | str = MAX_ADAPTERS) -> ModelPart:
    """The same part with a bank: two more inputs. `adapters`: how many a sample has. A graph takes any
    number (ADAPTERS): whoever runs it leaves out those that no sample of a batch has."""
    slots = TensorSpec(SLOTS, "INT64", (adapters,), "places in the bank; 0 for none")
    strengths = TensorSpec(STRENGTHS, "FP32", (adapters,), "what each adapter is multiplied by")
    others = tuple(tensor for tensor in part.inputs if tensor.name not in (SLOTS, STRENGTHS))
    return replace(part, inputs=(*others, slots, strengths))


def is_table(name: str) -> bool:
    return name.endswith((DOWN, UP))


def tables_of(shapes: Mapping[str, Sequence[int | None]]) -> tuple[Table, ...]:
    """Of a graph's inputs by name, with their shapes; sorted by name."""
    return tuple(
        Table(name, int(shape[1] or 0), int(shape[2] or 0))
        for name, shape in sorted(shapes.items())
        if is_table(name)
    )
