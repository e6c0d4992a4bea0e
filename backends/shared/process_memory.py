"""Memory that a network has needed once, and its process can do without."""

import ctypes
import gc
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_DONTNEED = 4  # of madvise(2)


def give_back() -> None:
    """What was freed goes back to the system; glibc would keep it for the next time."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def forget_mapped(folder: Path) -> None:
    """Pages of the files in `folder` that are mapped; read again where they are wanted again.

    A compiled network's weights are mapped, and most of them then laid out anew for the processor.
    """
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, mode, *_, path = [*line.split(maxsplit=5), ""][:6]
        if path.startswith(f"{folder}/") and "w" not in mode:
            begin, end = (int(number, 16) for number in place.split("-"))
            _LIBC.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _DONTNEED)
