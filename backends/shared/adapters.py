"""An adapter bank in a network that runs: its tables, bound once, and the slots that requests name."""

import mmap
import os
from pathlib import Path

import numpy as np
from batching import Arrays, BadTensors

from contract.bank import SLOTS, STRENGTHS, read_bank
from contract.bank_file import bank_file, make_bank_file, remove_bank_files_of_the_gone


def open_tables(folder: Path, network: str, server: int) -> Arrays:
    """Of the network in `folder`, by name: [slots + 1, rows, columns], in memory that others write to. None
    where it has no bank. `server`: tritonserver's process id. Raises OSError and BadBank."""
    bank = read_bank(folder)
    if bank is None:
        return {}
    remove_bank_files_of_the_gone()
    descriptor = make_bank_file(bank_file(server, network), bank)
    try:
        whole = mmap.mmap(descriptor, bank.file_bytes)
    finally:
        os.close(descriptor)
    offsets = bank.offsets()
    return {
        table.name: np.ndarray(bank.shape(table), np.float32, whole, offsets[table.name])
        for table in bank.tables
    }


def check_slots(arrays: Arrays, tables: Arrays) -> None:
    """Raises BadTensors. A slot beyond a table would be read from whatever lies behind it."""
    if tables:
        last = len(next(iter(tables.values()))) - 1
        low, high = int(np.min(arrays[SLOTS])), int(np.max(arrays[SLOTS]))
        if low < 0 or high > last:
            raise BadTensors(f"input {SLOTS}: expected slots of 0 to {last}, got {low} to {high}")


def drop_unused(inputs: Arrays, tables: Arrays) -> Arrays:
    """Without the adapters that no sample of the batch has, but for the first: zeros cost as much as any."""
    if not tables or inputs[SLOTS][:, 1:].any():
        return inputs
    return {**inputs, **{name: np.ascontiguousarray(inputs[name][:, :1]) for name in (SLOTS, STRENGTHS)}}
