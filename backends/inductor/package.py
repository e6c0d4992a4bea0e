"""A network that torch compiled ahead of time (AOTInductor), run without a compiler.

package.json says what it was compiled for. A character has 1/weights.safetensors too: weights that take the
place of those of the same name in the package.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from signature import Signature
from torch import Tensor

RECORD_FILE, PACKAGE_FILE, WEIGHTS_FILE = "package.json", "model.pt2", "weights.safetensors"
AGAIN = "export the model here again (imgen export … --engine inductor)"


class Package:
    """Raises ValueError, in one line, where the package was compiled for another machine than this."""

    def __init__(self, model: Path) -> None:
        """`model`: its folder in the repository."""
        record = _record(model / RECORD_FILE)
        self.signature = Signature.of_record(record)
        self._outputs: list[str] = record["outputs"]
        self._device = torch.device(record["device"])
        self.runtime = f"inductor {torch.__version__.partition('+')[0]} {record['device']}"
        check_machine(record, torch.__version__, _gpu(), _cpu_flags())
        self._package = torch._inductor.aoti_load_package(str(model / "1" / PACKAGE_FILE))
        if (model / "1" / WEIGHTS_FILE).is_file():
            self._set_weights(load_file(model / "1" / WEIGHTS_FILE, device=str(self._device)))

    def check(self, arrays: dict[str, Tensor]) -> int:
        """The batch size of one request. Raises BadTensors where it does not fit the network."""
        return self.signature.check(
            {name: (str(one.dtype).removeprefix("torch."), one.shape) for name, one in arrays.items()}
        )

    def run(self, arrays: dict[str, Tensor]) -> dict[str, Tensor]:
        self.check(arrays)  # joined ones too: their batch is larger
        given = {name: arrays[name].to(self._device).contiguous() for name in self.signature.inputs}
        with torch.inference_mode():
            made = self._package(**given)
        values = made if isinstance(made, tuple | list) else (made,)
        return dict(zip(self._outputs, values, strict=True))

    def _set_weights(self, weights: dict[str, Tensor]) -> None:
        if unknown := sorted(set(weights) - set(self._package.get_constant_fqns())):
            raise ValueError(f"{len(unknown)} weights are not in the package, such as {unknown[0]}; {AGAIN}")
        self._package.load_constants(weights, check_full_update=False)


def check_machine(record: dict[str, Any], version: str, gpu: str, flags: frozenset[str]) -> None:
    """`flags`: those of /proc/cpuinfo. Raises ValueError."""
    bare = version.partition("+")[0]
    if record["torch"] != bare:
        raise ValueError(f"compiled by torch {record['torch']}, this machine has torch {bare}; {AGAIN}")
    if record["device"] == "cuda" and record["gpu"] != gpu:
        raise ValueError(f"compiled for the GPU {record['gpu']}, this machine has {gpu}; {AGAIN}")
    if record["device"] == "cpu" and (lost := sorted(set(record["cpu_flags"]) - flags)):
        raise ValueError(f"compiled for a processor with {', '.join(lost)}, which this one lacks; {AGAIN}")


def _record(path: Path) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise ValueError(f"{path} cannot be read; {AGAIN}") from None
    return record


def _gpu() -> str:
    """Name and compute capability; "none" where torch sees none."""
    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.get_device_name()}, {'.'.join(map(str, torch.cuda.get_device_capability()))}"


def _cpu_flags() -> frozenset[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
