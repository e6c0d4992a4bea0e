"""Whether a character's merged networks draw what torch draws with the same LoRA over the same base.

torch's side (reference.py) shares no code with the merge.
"""

import tempfile
from functools import partial
from pathlib import Path

import onnx
from onnx import TensorProto
from safetensors.numpy import load_file

from contract.bank import FACTORS_FILE
from contract.names import DENOISER, network_name, split_network_name
from export.checkpoints.restore import view_exported
from export.checkpoints.tokenizer import open_tokenizers
from export.graphs.storage import MODEL_FILE
from export.lora.strength import Strength
from export.lora.torch_lora import apply_lora
from export.merge_origin import family_of_base
from export.networks.networks import Network, network_of
from export.networks.precision import LIMITS, Limit
from export.parity.comparison import ParityReport, compare
from export.parity.runners import NO_TABLES, Tables, runner_of
from export.repository.staging import publish, staging


def compare_character(
    lora: Path, strength: Strength, model: str, base: Path, merged: Path, report_folder: Path
) -> ParityReport:
    """`merged`: a folder with the character's denoiser and, if it has its own, its text encoder; or with its
    factors for the base's bank.

    Puts the report in `report_folder`'s place. Raises ExportError if torch cannot take the LoRA.
    """
    family = family_of_base(base / network_name(model, DENOISER))
    parts = {part: base / network_name(model, part) for part in family.part_names}
    adapter: Tables = NO_TABLES
    for path in merged.iterdir():
        found = split_network_name(path.name)
        if found and found.model == model and (path / FACTORS_FILE).is_file():
            adapter = load_file(path / FACTORS_FILE)
        elif found and found.model == model:
            parts[found.part] = path
    with (
        tempfile.TemporaryDirectory() as scratch,
        staging(report_folder.parent, report_folder.name) as folder,
    ):
        checkpoint = view_exported(base, model, Path(scratch))

        def reference(part: str) -> Network:
            """Of a checkpoint of its own, so that nothing but it is in fp32, and it is gone after use."""
            own = view_exported(base, model, Path(tempfile.mkdtemp(dir=scratch)))
            network = network_of(own, part)
            apply_lora(lora, strength, own)
            return network

        new = folder / "report"
        new.mkdir()
        limit = _limit(base / network_name(model, DENOISER), half_kept=adapter is not NO_TABLES)
        tokenizers = open_tokenizers(checkpoint)
        make = partial(runner_of, adapter=adapter, strength=strength.whole)
        report = compare(parts, checkpoint, tokenizers, limit, new, reference, make_runner=make)
        publish(new, report_folder)
    return report


def _limit(denoiser: Path, *, half_kept: bool) -> Limit:
    """By the type of the weights that the base keeps and computes with. `half_kept`: a bank's factors are
    rounded to fp16, whatever the base's."""
    graph = onnx.load(denoiser / "1" / MODEL_FILE, load_external_data=False).graph
    half = {
        tensor.name
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT16 and len(tensor.dims) > 1
    }
    computes = any(node.op_type in ("Conv", "MatMul") and half & set(node.input) for node in graph.node)
    return LIMITS["fp16" if computes else "fp32", "fp16" if half or half_kept else "fp32"]
