"""The file that a network's bank lies in while Triton runs: the network maps it into memory, and
text_to_image writes LoRAs into its slots.

It is this user's alone, lies where temporary files do, and has holes where nothing was ever written.
"""

import contextlib
import os
import re
import stat
import tempfile
from pathlib import Path

from contract.bank import BadBank, Bank

NAME = re.compile(r"imgen-bank-(\d{1,10})-.*")


def bank_file(server: int, network: str) -> Path:
    """`server`: tritonserver's process id."""
    return Path(tempfile.gettempdir()) / f"imgen-bank-{server}-{network}"


def make_bank_file(path: Path, bank: Bank) -> int:
    """A descriptor for reading and writing; who calls closes it. What a restarted network finds stays as it
    is: orders may be on their way that count on it. Raises OSError and BadBank."""
    descriptor = _open(path, os.O_CREAT)
    try:
        if os.fstat(descriptor).st_size != bank.file_bytes:  # an earlier server's, of another model
            os.ftruncate(descriptor, 0)
            os.ftruncate(descriptor, bank.file_bytes)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_bank_file(path: Path, bank: Bank) -> int:
    """The same of one that is there: its size is never changed, as a network may have it in memory."""
    descriptor = _open(path, 0)
    if os.fstat(descriptor).st_size != bank.file_bytes:
        os.close(descriptor)
        raise BadBank(f"{path} belongs to another export: start Triton anew")
    return descriptor


def remove_bank_files_of_the_gone() -> None:
    """Of servers that run no more."""
    for path in Path(tempfile.gettempdir()).glob("imgen-bank-*"):
        found = NAME.fullmatch(path.name)
        if found and not Path("/proc", found[1]).exists():
            with contextlib.suppress(OSError):
                path.unlink()


def _open(path: Path, flags: int) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    state = os.fstat(descriptor)
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid() or state.st_mode & 0o077:
        os.close(descriptor)
        raise BadBank(f"{path} is no file of this user's alone")
    return descriptor
