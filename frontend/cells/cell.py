"""A cell's own side: python -m frontend.cells.cell SOCKET MEMORY PARENT CPU_S MEMORY_BYTES NICENESS
MODULE:FUNCTION…

Imports what is in the table, shuts itself in, and then answers one frame after the other.
"""

import contextlib
import importlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from frontend.cells.confinement import confine
from frontend.cells.frame import ANSWER, FAILURE, READY, REFUSAL, Channel, Closed

OUT_OF_MEMORY = 77  # exit status


def main(arguments: Sequence[str]) -> None:
    end, memory, parent, cpu_s, memory_bytes, niceness, *names = arguments
    functions = [_function(name) for name in names]
    channel = Channel(socket.socket(fileno=int(end)), int(memory))
    os.close(int(memory))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's: the server ends its cells itself
    os.nice(int(niceness))
    confine(int(memory_bytes), int(parent))
    channel.send(READY, b"")
    with contextlib.suppress(Closed):
        while True:
            number, data = channel.receive()
            # SIGPROF's default action ends the process, whatever C code it is in.
            signal.setitimer(signal.ITIMER_PROF, float(cpu_s))
            kind, answer = _answer(functions[number], data)
            channel.send(kind, answer)
            signal.setitimer(signal.ITIMER_PROF, 0)
            del data, answer  # they would be kept until the next job


def _function(name: str) -> Callable[[bytes], bytes]:
    module, _, attribute = name.partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    return found  # type: ignore[no-any-return]


def _answer(function: Callable[[bytes], bytes], data: bytes) -> tuple[int, bytes]:
    try:
        return ANSWER, function(data)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except ValueError as error:
        return REFUSAL, str(error).encode()
    except Exception as error:
        return FAILURE, type(error).__name__.encode()


if __name__ == "__main__":
    main(sys.argv[1:])
