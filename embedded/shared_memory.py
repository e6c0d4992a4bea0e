"""Triton's shared memory: for this user alone from the moment that it is made, and gone when Triton is.

Its Python backend makes regions through boost, which sets their mode to 0644 by fchmod(2) whatever the umask:
every user of the machine could read prompts and pictures in /dev/shm. Where that one call fails, the region
keeps the mode that the umask left it, 0600, and boost does not mind.
"""

import contextlib
import errno
import hashlib
import platform
from pathlib import Path

from frontend.common import seccomp
from frontend.common.seccomp import step

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
FCHMOD = (91, 52)  # numbers of the call
READABLE_BY_ALL = 0o644


def keep_shared_memory_private() -> None:
    """For this process and all that it starts, for good; together with umask 077. Raises OSError."""
    if not seccomp.is_known():
        raise OSError(errno.ENOSYS, f"seccomp is not known for {platform.machine()}")
    program = (
        seccomp.check_architecture(seccomp.ALLOW),
        step(seccomp.LOAD, seccomp.NUMBER),
        step(seccomp.JUMP_EQUAL, seccomp.number_of(FCHMOD), 0, 3),
        step(seccomp.LOAD, seccomp.SECOND_ARGUMENT),
        step(seccomp.JUMP_EQUAL, READABLE_BY_ALL, 0, 1),
        step(seccomp.RETURN, seccomp.REFUSE),
        step(seccomp.RETURN, seccomp.ALLOW),
    )
    seccomp.install(b"".join(program), full_speed=True)


def region_prefix(data_dir: Path) -> str:
    """What the names of all regions of this data folder's Triton begin with."""
    return "imgen-" + hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def remove_shared_memory(data_dir: Path) -> None:
    """Regions that a killed Triton of this data folder left behind. Not while one runs."""
    for region in SHARED_MEMORY.glob(f"{region_prefix(data_dir)}*"):
        with contextlib.suppress(PermissionError):  # of another user, who knows how ours are called
            region.unlink(missing_ok=True)
