"""Filters of system calls, seccomp(2), as programs of classic BPF; and prctl(2), which goes with them.

By hand: pyseccomp had its last release in 2021 and needs a system library that bare machines lack.
"""

import ctypes
import os
import platform
import struct

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: EPERM
LOAD, JUMP_EQUAL, JUMP_ABOVE, RETURN = 0x20, 0x15, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data
_SET_MODE_FILTER = 1
_SPEC_ALLOW = 4
# machine: column in tables of system calls, its architecture in audit.h, the number of seccomp(2)
_MACHINES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}

# Opened here, as it is used between fork and exec too, where nothing may be looked for.
_libc = ctypes.CDLL(None, use_errno=True)


def is_known() -> bool:
    """Whether there are numbers of system calls for this machine."""
    return platform.machine() in _MACHINES


def number_of(call: tuple[int, int]) -> int:
    """This machine's of (x86_64, aarch64)."""
    return call[_MACHINES[platform.machine()][0]]


def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """struct sock_filter; a jump goes so many steps further."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def check_architecture(otherwise: int) -> bytes:
    """The first steps of a program: calls of another architecture than this machine's are `otherwise`."""
    known = _MACHINES[platform.machine()][1]
    return step(LOAD, ARCHITECTURE) + step(JUMP_EQUAL, known, 1, 0) + step(RETURN, otherwise)


def install(program: bytes, *, full_speed: bool = False) -> None:
    """For this process and all that it starts, for good. Raises OSError.

    `full_speed`: without the mitigations of speculation that older kernels add, which slow all of it down.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(code)))
    number = _MACHINES[platform.machine()][2]
    _check(_libc.syscall(number, _SET_MODE_FILTER, _SPEC_ALLOW if full_speed else 0, head))


def prctl(option: int, value: int) -> None:
    """Raises OSError."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _check(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
