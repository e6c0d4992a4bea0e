"""Triton's shared memory: for this user alone from the moment that it is made, and gone when Triton is.

Its Python backend makes regions through boost, which sets their mode to 0644 by fchmod(2) whatever the umask:
every user of the machine could read prompts and pictures in /dev/shm. Where that one call fails, the region
keeps the mode that the umask left it, 0600, and boost does not mind.
"""

import contextlib
import ctypes
import errno
import hashlib
import platform
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4  # else older kernels slow down all that the process computes
SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO = 0x7FFF0000, 0x00050000
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
NUMBER, ARCHITECTURE, SECOND_ARGUMENT = 0, 4, 24  # where struct seccomp_data has them
# machine: its architecture in audit.h, the numbers of seccomp(2) and fchmod(2) there
SYSTEM_CALLS = {"x86_64": (0xC000003E, 317, 91), "aarch64": (0xC00000B7, 277, 52)}
READABLE_BY_ALL = 0o644

_libc = ctypes.CDLL(None, use_errno=True)


class _Instruction(ctypes.Structure):
    """struct sock_filter"""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def keep_shared_memory_private() -> None:
    """For this process and all that it starts, for good; together with umask 077. Raises OSError."""
    if platform.machine() not in SYSTEM_CALLS:
        raise OSError(errno.ENOSYS, f"seccomp is not known for {platform.machine()}")
    architecture, seccomp, fchmod = SYSTEM_CALLS[platform.machine()]
    steps = (
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, 5, architecture),
        (LOAD, 0, 0, NUMBER),
        (IF_EQUAL, 0, 3, fchmod),
        (LOAD, 0, 0, SECOND_ARGUMENT),
        (IF_EQUAL, 0, 1, READABLE_BY_ALL),
        (RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM),
        (RETURN, 0, 0, SECCOMP_RET_ALLOW),
    )
    program = _Program(len(steps), (_Instruction * len(steps))(*(_Instruction(*step) for step in steps)))
    _check(_libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(
        _libc.syscall(seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, ctypes.byref(program))
    )


def region_prefix(data_dir: Path) -> str:
    """What the names of all regions of this data folder's Triton begin with."""
    return "imgen-" + hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]


def remove_shared_memory(data_dir: Path) -> None:
    """Regions that a killed Triton of this data folder left behind. Not while one runs."""
    for region in SHARED_MEMORY.glob(f"{region_prefix(data_dir)}*"):
        with contextlib.suppress(PermissionError):  # of another user, who knows how ours are called
            region.unlink(missing_ok=True)


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, errno.errorcode.get(number, ""))
