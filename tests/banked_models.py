"""Writes a Triton model repository of the toy networks with a bank: python -m tests.banked_models FOLDER

Run by Triton's own interpreter. Model `banked`: a bank of two slots, three characters for them, nova, zeta
and yuri, two styles, ink and nova, and a character that was merged, rosa.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contract.bank import BANK_FILE, FACTORS_FILE, MAX_ADAPTERS, STRENGTH, Bank, BankSize, Table

SLOTS, BANK_RANK = 2, 2
TABLES = {"project.lora_down": 8, "project.lora_up": 4}  # columns of each
CHARACTERS = ("nova", "zeta", "yuri")
STRENGTHS = {"nova": 1.0, "zeta": 1.0, "yuri": 0.5}
STYLES = {"ink": 7, "nova": 8}  # the seeds of their LoRAs
MERGED = "rosa"


def write_tensors(path: Path, tensors: Mapping[str, "np.ndarray[Any, Any]"], strength: float) -> None:
    """As the library of that name does, which is not in every environment."""
    header: dict[str, Any] = {"__metadata__": {STRENGTH: repr(strength)}}
    place = 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F16", "shape": value.shape, "data_offsets": [place, place + value.nbytes]}
        place += value.nbytes
    text = json.dumps(header).encode()
    data = b"".join(value.tobytes() for value in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def write_factors(folder: Path, seed: int, strength: float, prefix: str = "") -> None:
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{prefix}{name}": (2 * random.standard_normal((BANK_RANK, columns))).astype(np.float16)
        for name, columns in TABLES.items()
    }
    write_tensors(folder / FACTORS_FILE, tensors, strength)
    hashes = {"engine": "e" * 64, "base": "e" * 64, "lora": f"{seed:064x}"}
    (folder / "weights.json").write_text(json.dumps(hashes))


def main(folder: Path) -> None:
    from tests.tiny_models import write_decoder, write_denoiser, write_text_encoder, write_tokenizer

    encoder = folder / "banked-text-encoder"
    write_text_encoder(encoder, seed=10)
    for tokenizer in ("tokenizer", "tokenizer_2"):
        write_tokenizer(encoder / tokenizer / "tokenizer.json")
    tables = tuple(Table(name, BANK_RANK, columns) for name, columns in TABLES.items())
    for seed, end in ((20, ""), (21, f"--{MERGED}")):
        denoiser = folder / f"banked-denoiser{end}"
        write_denoiser(denoiser, seed=seed, slots=SLOTS)
        config = (denoiser / "config.pbtxt").read_text()
        for name, kind in (("slots", "INT64"), ("strengths", "FP32")):
            declared = f'name: "{name}", data_type: TYPE_{kind}, dims: [ '
            config = config.replace(f"{declared}-1 ]", f"{declared}{MAX_ADAPTERS} ]")
        (denoiser / "config.pbtxt").write_text(config)
        (denoiser / BANK_FILE).write_bytes(Bank(BankSize(SLOTS, BANK_RANK), tables).to_json())
        (denoiser / "weights.json").write_text(json.dumps({"engine": "e" * 64}))
    write_decoder(folder / "banked-decoder")
    for seed, name in enumerate(CHARACTERS, 1):
        write_factors(folder / f"banked-denoiser--{name}", seed, STRENGTHS[name])
    for name, seed in STYLES.items():
        write_factors(folder / f"banked-denoiser--style--{name}", seed, strength=1.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
