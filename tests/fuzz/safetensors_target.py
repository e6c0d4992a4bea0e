"""Files of weights, in the exporter's environment: python -m tests.fuzz.safetensors_target COUNT"""

import sys
import tempfile
from pathlib import Path

from export.errors import ExportError
from export.lora.lora_file import read_lora
from tests.fuzz.run import Target, fuzz

MAX_WORDS = 2_000  # characters of a refusal


class NotOneLine(Exception):
    """A refusal that fills a terminal."""


def safetensors_target(folder: Path) -> Target:
    path = folder / "lora.safetensors"

    def read(data: bytes) -> str:
        path.write_bytes(data)
        try:
            for _ in read_lora(path):
                pass
        except ExportError as error:
            words = str(error)
            if "\n" in words or len(words) > MAX_WORDS:
                raise NotOneLine(words[:MAX_WORDS]) from None
            return "refused"
        return "read"

    return Target("safetensors", read)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(fuzz(safetensors_target(Path(folder)), int(sys.argv[1])).as_json())
