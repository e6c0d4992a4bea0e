"""What runs graphs in the Triton of `imgen up`, as far as it is known before it starts."""

import logging
from pathlib import Path

from contract.memory import CPU_PRECISION, CPU_RUNTIME
from embedded.part import PartError

log = logging.getLogger(__name__)
CPU_INFO = Path("/proc/cpuinfo")


def fixed_runtime(site: Path, runtime: str, precision: str, cpu_info: Path = CPU_INFO) -> dict[str, str]:
    """Triton's environment of the settings `runtime` and `precision`, for what is in its packages `site`.

    Where there is no OpenVINO, what takes its place is fixed from the start, and its memory foreseen.
    Raises PartError for what this machine cannot do: in Triton it would leave out every model.
    """
    if precision == "bf16":
        if runtime == "onnxruntime":
            raise PartError(f"triton: {CPU_PRECISION}=bf16 needs {CPU_RUNTIME}=openvino: onnxruntime has f32")
        if not _may_have_bf16(cpu_info):
            raise PartError(
                f"triton: {CPU_PRECISION}=bf16: this processor has no bfloat16; leave it out, or set f32"
            )
    if runtime == "auto" and not (site / "openvino").is_dir():
        log.warning("openvino is not installed in %s: graphs run in onnxruntime, in f32", site)
        runtime = "onnxruntime"
    chosen = {CPU_RUNTIME: runtime, CPU_PRECISION: precision}
    return {name: value for name, value in chosen.items() if value != "auto"}


def _may_have_bf16(cpu_info: Path) -> bool:
    """By the instructions that the kernel names (avx512_bf16, amx_bf16, bf16); also where it names none."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return True
    named = " ".join(line for line in lines if line.startswith(("flags", "Features")))
    return not named or "bf16" in named
