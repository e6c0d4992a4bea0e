"""Whether a character's merged networks draw what torch draws with the same LoRA over the same base.

torch's side (reference.py) shares no code with the merge.
"""

import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto

from export.checkpoints.restore import open_restored
from export.checkpoints.tokenizer import open_tokenizer
from export.graphs.storage import MODEL_FILE
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from export.networks.networks import Network, network_of
from export.networks.precision import LIMITS, Limit
from export.parity.comparison import Report, compare
from export.repository.staging import publish, staging

PARTS = ("text-encoder", "denoiser", "decoder")


def compare_character(
    lora: Path, strength: Strength, model: str, base: Path, merged: Path, report_folder: Path
) -> Report:
    """`merged`: a folder with the character's denoiser and, if it has its own, its text encoder.

    Puts the report in `report_folder`'s place. Raises ExportError if torch cannot take the LoRA.
    """
    parts = {part: base / f"{model}-{part}" for part in PARTS}
    for path in merged.iterdir():
        parts |= {part: path for part in PARTS if path.name.startswith(f"{model}-{part}--")}
    with (
        tempfile.TemporaryDirectory() as scratch,
        staging(report_folder.parent, report_folder.name) as folder,
    ):
        checkpoint = open_restored(base, model, Path(scratch))
        tokenizers = {
            name: open_tokenizer(checkpoint.folder / name, encoder.config)
            for name, encoder in checkpoint.tokenizers.items()
        }

        def reference(part: str) -> Network:
            """Of a checkpoint of its own, so that nothing but it is in fp32, and it is gone after use."""
            own = open_restored(base, model, Path(tempfile.mkdtemp(dir=scratch)))
            network = network_of(own, part)
            apply_lora(lora, strength, own)
            return network

        new = folder / "report"
        new.mkdir()
        limit = _limit(base / f"{model}-denoiser")
        report = compare(parts, checkpoint, tokenizers, limit, new, reference)
        publish(new, report_folder)
    return report


def _limit(denoiser: Path) -> Limit:
    """By the type of the weights that the base keeps and computes with."""
    graph = onnx.load(denoiser / "1" / MODEL_FILE, load_external_data=False).graph
    half = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT16 and len(tensor.dims) > 1
    }
    computes = any(node.op_type in ("Conv", "MatMul") and half & set(node.input) for node in graph.node)
    return LIMITS["fp16" if computes else "fp32", "fp16" if half else "fp32"]
