"""How long it takes until a LoRA is in a slot of SDXL's bank, and how large it is; the last line is JSON.

In the environment of Triton: python -m perf.adapters.service FOLDER, as perf.adapters.base writes it.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from contract.bank import BANK_FILE, FACTORS_FILE, read_bank
from contract.bank_file import make_bank_file

sys.path.insert(0, str(Path(__file__).parents[2] / "model_repository" / "text_to_image" / "1"))

from bank_writer import write_slot

ROOT = Path(__file__).parents[2]
SLOT = 1


def measure(folder: Path, name: str) -> dict[str, Any]:
    """As `imgen character add` does it where there is no torch, and then text_to_image at the first order."""
    repository = folder / "repository"
    made = repository / "eros-denoiser--aya"
    shutil.rmtree(made, ignore_errors=True)
    lora = folder / f"{name}.safetensors"
    lora.read_bytes()  # into the system's cache
    command = [sys.executable, "-m", "export.character", str(lora), "--name", "aya", "--model", "eros"]
    started = time.perf_counter()
    subprocess.run([*command, "--repository", str(repository)], check=True, cwd=ROOT, stdout=sys.stderr)
    converted = time.perf_counter()
    banks = {
        folder / f"{path.parent.name}.tables": bank
        for path in repository.glob(f"*/{BANK_FILE}")
        if (bank := read_bank(path.parent))
    }
    for path, bank in banks.items():
        os.close(make_bank_file(path, bank))
    opened = time.perf_counter()
    write_slot(made / FACTORS_FILE, SLOT, banks)
    written = time.perf_counter()
    slot = sum(bank.file_bytes // (bank.size.slots + 1) for bank in banks.values())
    for path in banks:
        path.unlink()
    return {
        "lora_bytes": lora.stat().st_size,
        "bytes": (made / FACTORS_FILE).stat().st_size,
        "slot_bytes": slot,
        "factors_seconds": converted - started,
        "slot_seconds": written - opened,
    }


def main() -> None:
    folder = Path(sys.argv[1])
    found = {name: measure(folder, name) for name in ("lora", "locon")}
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({**found, "peak_gb": usage.ru_maxrss * 1024 / 1e9}))


if __name__ == "__main__":
    main()
