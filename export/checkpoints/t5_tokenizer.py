"""The tokenizer of T5 v1.1, which single and split files of the families with T5 do not bring along."""

import json
import lzma
from pathlib import Path

from contract.repositories import TOKENIZER_FILE

TOKENIZER = Path(__file__).with_name("t5") / f"{TOKENIZER_FILE}.xz"
"""As Google published it (Apache License 2.0), compressed; see the NOTICE beside it."""
SETTINGS = {
    "tokenizer_class": "T5TokenizerFast",
    "eos_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}


def write_t5_tokenizer(folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json, as transformers reads them."""
    folder.mkdir(parents=True)
    (folder / TOKENIZER_FILE).write_bytes(lzma.decompress(TOKENIZER.read_bytes()))
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS, indent=2) + "\n")
