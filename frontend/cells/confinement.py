"""What a cell gives up before it sees a stranger's byte: files, network, other processes, more memory."""

import ctypes
import os
import platform
import resource
import signal
import struct

# What decoding needs once all is imported: memory, locks, clocks, the socket that is open.
# Numbers by machine: x86_64, aarch64.
_ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "exit": (60, 93),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "clock_gettime": (228, 113),
    "exit_group": (231, 94),
    "sigaltstack": (131, 132),
    "set_robust_list": (273, 99),
    "getrandom": (318, 278),
    "rseq": (334, 293),
}
_TGKILL = (234, 131)  # to itself alone: abort() must work
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 1, 38, 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _RETURN = 0x20, 0x15, 0x35, 0x06  # of classic BPF
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: EPERM
_FOREIGN = 0x40000000  # x32's numbers begin here


def confine(memory_bytes: int, parent: int) -> None:
    """For good. `memory_bytes`: on top of what is mapped now; `parent`: pid that this process ends with.

    Raises OSError where the kernel refuses: then nothing may be read here. Other machines than x86_64 and
    aarch64 have every limit but the filter of system calls.
    """
    _call(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the server is gone")
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("a thread runs that the filter would not hold")
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    silence()
    _call(_PR_SET_NO_NEW_PRIVS, 1)
    for kind, most in (
        (resource.RLIMIT_AS, mapped + memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # those that are open stay
    ):
        resource.setrlimit(kind, (most, most))
    if platform.machine() in _MACHINES:
        _filter_calls(*_MACHINES[platform.machine()])


def silence() -> None:
    """What libraries print of a stranger's file is for nobody."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _filter_calls(column: int, arch: int) -> None:
    code = ctypes.create_string_buffer(_program(column, arch))
    program = ctypes.create_string_buffer(struct.pack("HP", len(code) // 8, ctypes.addressof(code)))
    _call(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(program))


def _program(column: int, arch: int) -> bytes:
    """seccomp(2): which calls are carried out; all others are refused with EPERM."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    numbers = sorted(places[column] for places in _ALLOWED.values())
    lines = [
        step(_LOAD, _ARCH),
        step(_JUMP_EQUAL, arch, 1, 0),
        step(_RETURN, _KILL),
        step(_LOAD, _NUMBER),
        step(_JUMP_ABOVE, _FOREIGN, len(numbers) + 1, 0),
        *(step(_JUMP_EQUAL, number, len(numbers) - place + 1) for place, number in enumerate(numbers)),
        step(_JUMP_EQUAL, _TGKILL[column], 2, 0),
        step(_RETURN, _REFUSE),
        step(_RETURN, _ALLOW),
        step(_LOAD, _FIRST_ARGUMENT),
        step(_JUMP_EQUAL, os.getpid(), 0, 1),
        step(_RETURN, _ALLOW),
        step(_RETURN, _REFUSE),
    ]
    return b"".join(lines)


def _call(option: int, first: int, second: int = 0) -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(option, first, second, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
