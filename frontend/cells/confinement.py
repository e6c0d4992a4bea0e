"""What a cell gives up before it sees a stranger's byte: files, network, other processes, more memory."""

import os
import resource
import signal

from frontend.common import seccomp
from frontend.common.seccomp import step

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
_FOREIGN = 0x40000000  # x32's numbers begin here


def confine(memory_bytes: int, parent: int) -> None:
    """For good. `memory_bytes`: on top of what is mapped now; `parent`: pid that this process ends with.

    Raises OSError where the kernel refuses: then nothing may be read here. Other machines than x86_64 and
    aarch64 have every limit but the filter of system calls.
    """
    seccomp.prctl(seccomp.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the server is gone")
    if len(os.listdir("/proc/self/task")) != 1:
        raise OSError("a thread runs that the filter would not hold")
    with open("/proc/self/statm") as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    silence()
    seccomp.prctl(seccomp.PR_SET_NO_NEW_PRIVS, 1)
    for kind, most in (
        (resource.RLIMIT_AS, mapped + memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),  # those that are open stay
    ):
        resource.setrlimit(kind, (most, most))
    if seccomp.is_known():
        seccomp.install(_program())


def silence() -> None:
    """What libraries print of a stranger's file is for nobody."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)


def _program() -> bytes:
    """Which calls are carried out; all others are refused with EPERM."""
    numbers = sorted(map(seccomp.number_of, _ALLOWED.values()))
    count = len(numbers)
    steps = (
        seccomp.check_architecture(seccomp.KILL),
        step(seccomp.LOAD, seccomp.NUMBER),
        step(seccomp.JUMP_ABOVE, _FOREIGN, count + 1, 0),
        *(step(seccomp.JUMP_EQUAL, number, count - place + 1) for place, number in enumerate(numbers)),
        step(seccomp.JUMP_EQUAL, seccomp.number_of(_TGKILL), 2, 0),
        step(seccomp.RETURN, seccomp.REFUSE),
        step(seccomp.RETURN, seccomp.ALLOW),
        step(seccomp.LOAD, seccomp.FIRST_ARGUMENT),
        step(seccomp.JUMP_EQUAL, os.getpid(), 0, 1),
        step(seccomp.RETURN, seccomp.ALLOW),
        step(seccomp.RETURN, seccomp.REFUSE),
    )
    return b"".join(steps)
