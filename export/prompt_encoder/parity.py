"""Whether an exported prompt encoder gives the vectors that torch gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from export.errors import ExportError
from export.graphs.storage import MODEL_FILE
from export.prompt_encoder.sentence_encoder import EncoderFolder

PROMPTS = Path(__file__).parent / "encoder_prompts.txt"
MIN_COSINE = 0.985
"""Of any prompt with torch's vector, which is in fp32."""
MIN_MEAN_COSINE = 0.995
NEAR = 0.8
"""The similarity from which on two prompts may be taken for one another; a cache's floor lies above."""
MAX_SIMILARITY_ERROR = 0.015
"""Of such two prompts' similarity from torch's."""
MAX_BATCH_ERROR = 1e-5
"""Difference that other prompts in the batch, and the padding up to the longest of them, may make."""
BATCH = 16
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Parity:
    prompts: int
    least_cosine: float  # of one prompt's vector with torch's
    mean_cosine: float
    near_pairs: int  # of prompts that torch finds at least NEAR
    most_apart: float  # a near pair's similarity, from torch's
    company: float  # the largest difference of an element, alone and padded among others

    @property
    def failure(self) -> str | None:
        """What is out of bounds."""
        bounds = {
            f"a cosine of {self.least_cosine:.4f} (at least {MIN_COSINE})": self.least_cosine >= MIN_COSINE,
            f"a mean cosine of {self.mean_cosine:.4f} (at least {MIN_MEAN_COSINE})": self.mean_cosine
            >= MIN_MEAN_COSINE,
            f"a similarity off by {self.most_apart:.4f} (at most {MAX_SIMILARITY_ERROR})": self.most_apart
            <= MAX_SIMILARITY_ERROR,
            f"{self.company:.1e} between alone and in company (at most {MAX_BATCH_ERROR})": self.company
            <= MAX_BATCH_ERROR,
        }
        return next((words for words, holds in bounds.items() if not holds), None)


def compare(folder: Path, source: EncoderFolder, prompts: Sequence[str]) -> Parity:
    """`folder` has 1/model.onnx; `prompts` are encoded one by one, and again in padded batches."""
    session = ort.InferenceSession(folder / "1" / MODEL_FILE, providers=["CPUExecutionProvider"])
    tokens = [source.tokenizer.encode(text).ids for text in prompts]
    alone = np.concatenate([_run(session, [one]) for one in tokens])
    batches = [tokens[at : at + BATCH] for at in range(0, len(tokens), BATCH)]
    together = np.concatenate([_run(session, batch) for batch in batches])
    wanted = np.concatenate([_torch(source, one) for one in tokens])
    cosines = (alone * wanted).sum(axis=1)
    first, second = np.triu_indices(len(prompts), k=1)
    similar, exact = (alone @ alone.T)[first, second], (wanted @ wanted.T)[first, second]
    near = exact >= NEAR
    return Parity(
        prompts=len(prompts),
        least_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        near_pairs=int(near.sum()),
        most_apart=float(np.abs(similar - exact)[near].max(initial=0.0)),
        company=float(np.abs(alone - together).max()),
    )


def read_prompts() -> list[str]:
    return PROMPTS.read_text(encoding="utf-8").splitlines()


def _run(session: ort.InferenceSession, rows: Sequence[Sequence[int]]) -> Vectors:
    found: Vectors = session.run(None, pad_rows(rows))[0]
    if not np.isfinite(found).all():
        raise ExportError("The exported encoder gives numbers that are none")
    return found


def pad_rows(rows: Sequence[Sequence[int]]) -> dict[str, npt.NDArray[np.int64]]:
    """Rows of tokens as the network's inputs; what is padded does not count, so any token will do."""
    shape = len(rows), max(map(len, rows))
    tokens, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)], mask[row, : len(ids)] = ids, 1
    return {"tokens": tokens, "mask": mask}


def _torch(source: EncoderFolder, tokens: Sequence[int]) -> Vectors:
    row = torch.tensor([tokens])
    with torch.no_grad():
        found: npt.NDArray[Any] = source.network(row, torch.ones_like(row)).numpy()
    return found.astype(np.float32)
