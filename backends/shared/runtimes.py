"""Which library runs an ONNX graph, and in which precision: chosen by the machine when a network is loaded.

The repository says nothing of it: NVIDIA's containers run the same files by their own onnxruntime backend.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batching import Arrays, TensorRule
from process_memory import give_back
from session import NO_TABLES, Session

from contract.memory import CPU_PRECISION, CPU_RUNTIME

LIBRARY, PRECISION = CPU_RUNTIME, CPU_PRECISION
OPENVINO, ONNXRUNTIME, AUTO = "openvino", "onnxruntime", "auto"
F32, BF16 = "f32", "bf16"
CHOICES = {LIBRARY: (AUTO, OPENVINO, ONNXRUNTIME), PRECISION: (AUTO, F32, BF16)}
Log = Callable[[str], None]


class NetworkSession(Protocol):
    @property
    def runtime(self) -> str:
        """Library, version and precision, as pictures' credentials tell it."""

    @property
    def inputs(self) -> Mapping[str, TensorRule]: ...

    @property
    def outputs(self) -> list[str]: ...

    def check(self, arrays: Arrays) -> int: ...

    def run(self, inputs: Arrays) -> Arrays: ...


@dataclass(frozen=True)
class Runtime:
    library: str
    precision: str

    def __str__(self) -> str:
        return f"{self.library} in {self.precision}"


def runtimes(environ: Mapping[str, str], lacking: Mapping[str, str]) -> list[Runtime]:
    """In the order in which they are tried; what is fixed by a setting is not departed from.

    `lacking`: why a library or a precision is not to be had on this machine. Raises ValueError.
    """
    library, precision = (_choice(environ, name) for name in (LIBRARY, PRECISION))
    if (library, precision) == (ONNXRUNTIME, BF16):
        raise ValueError(f"{PRECISION}=bf16 needs {LIBRARY}=openvino: onnxruntime computes in f32 on a CPU")
    every = [Runtime(OPENVINO, BF16), Runtime(OPENVINO, F32), Runtime(ONNXRUNTIME, F32)]
    wanted = [one for one in every if library in (AUTO, one.library) and precision in (AUTO, one.precision)]
    here = [one for one in wanted if one.library not in lacking and one.precision not in lacking]
    if not here:
        why = lacking.get(wanted[0].library) or lacking[wanted[0].precision]
        raise ValueError(f"{LIBRARY}={library} {PRECISION}={precision}: {why}")
    return here


def what_lacks(environ: Mapping[str, str]) -> dict[str, str]:
    """Of libraries and precisions on this machine, and why."""
    if _choice(environ, LIBRARY) == ONNXRUNTIME:
        return {}  # OpenVINO takes a second to look at
    try:
        import openvino_session  # not everywhere

        return {} if openvino_session.has_bf16() else {BF16: "this processor has no bfloat16"}
    except Exception as error:  # a broken library raises whatever it likes
        return {OPENVINO: f"openvino cannot be used: {_one_line(error)}"}


def open_network(
    path: Path,
    parameters: Mapping[str, str],
    environ: Mapping[str, str],
    log: Log,
    tables: Arrays = NO_TABLES,
) -> NetworkSession:
    """By the first runtime that can; `log` is told of each that cannot. Raises the last one's error.

    `tables`: of a bank, which are inputs of the graph and are bound to it once.
    """
    lacking = what_lacks(environ)
    if OPENVINO in lacking:
        log(f"{lacking[OPENVINO]}; the next one is tried")
    *others, last = runtimes(environ, lacking)
    for runtime in others:
        try:
            return _open(path, parameters, runtime, environ, log, tables)
        except Exception as error:  # the libraries have no common base class of errors
            log(f"{runtime} cannot run it, the next one is tried: {_one_line(error)}")
        give_back()
    return _open(path, parameters, last, environ, log, tables)


def _choice(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name) or AUTO
    if value not in CHOICES[name]:
        raise ValueError(f"{name}: expected {', '.join(CHOICES[name])}, got {value[:40]}")
    return value


def _open(
    path: Path,
    parameters: Mapping[str, str],
    runtime: Runtime,
    environ: Mapping[str, str],
    log: Log,
    tables: Arrays,
) -> NetworkSession:
    if runtime.library == ONNXRUNTIME:
        return Session(str(path), parameters, tables)
    from proven_network import COMPILED, open_proven  # only where it is wanted: OpenVINO takes a second

    return open_proven(path, parameters, runtime.precision, environ.get(COMPILED, ""), log, tables)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
