"""Writes a LoRA's factors into a slot of the banks of a model's networks, while these run."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract.bank import BYTES, BadBank, Bank
from contract.bank_file import open_bank_file
from contract.safetensors_header import BadSafetensors, SafetensorsHeader, data_start, read_header

Bytes = npt.NDArray[np.uint8]


def write_slot(factors: Path, slot: int, banks: Mapping[Path, Bank]) -> None:
    """`banks`: of the model's networks, by the files that they lie in. What the LoRA does not change becomes
    zeros, whatever was there. Raises BadBank, with the slot in any state.

    By pwrite and not through memory: a full disk then is an error, and no signal that ends the process.
    """
    try:
        header = read_header(factors)
        _check(factors, header, banks)
        values: Bytes = np.memmap(factors, np.uint8, "r", data_start(factors))
        for path, bank in banks.items():
            descriptor = open_bank_file(path, bank)
            try:
                _write(descriptor, slot, bank, header, values)
            finally:
                os.close(descriptor)
    except (OSError, BadSafetensors) as error:
        raise BadBank(f"{factors.parent.name}: {error}") from None


def _write(descriptor: int, slot: int, bank: Bank, header: SafetensorsHeader, values: Bytes) -> None:
    offsets = bank.offsets()
    for table in bank.tables:
        filled = np.zeros((table.rows, table.columns), np.float32)
        if table.name in header.shapes:
            rows, columns = header.shapes[table.name]
            start = header.starts[table.name]
            found = values[start : start + 2 * rows * columns].view(np.float16)
            filled[:rows] = found.reshape(rows, columns)
        place = offsets[table.name] + slot * filled.size * BYTES
        left = filled.data.cast("B")
        while left:
            written = os.pwrite(descriptor, left, place)
            left, place = left[written:], place + written


def _check(factors: Path, header: SafetensorsHeader, banks: Mapping[Path, Bank]) -> None:
    tables = {table.name: table for bank in banks.values() for table in bank.tables}
    for name, shape in header.shapes.items():
        table = tables.get(name)
        fits = table and len(shape) == 2 and shape[0] <= table.rows and shape[1] == table.columns
        if not fits or header.types[name] != "F16":
            raise BadBank(f"{factors.parent.name} was made for another export of the model: {name}")
