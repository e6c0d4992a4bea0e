"""A sentence encoder becomes one Triton model, text in and vectors out, by backends/prompt_encoder."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

from contract.limits import MAX_ENCODER_BATCH
from contract.parts import sentence_encoder
from export.errors import ExportError
from export.graphs.storage import save_model
from export.graphs.weight_names import name_weights
from export.networks.trace import declare_outputs, trace, weights_of
from export.prompt_encoder.int8 import store_int8
from export.prompt_encoder.parity import compare, read_prompts
from export.prompt_encoder.sentence_encoder import EncoderFolder, open_source
from export.repository.staging import publish, staging
from export.repository.triton_config import check_name

PARITY_FILE = "parity.json"
LEGAL = ("LICENSE", "NOTICE")
"""Go with the weights: the folder's, or else those that lie with the model that is replaced."""
CONFIG = """\
name: "{name}"
backend: "prompt_encoder"
max_batch_size: {batch}
input [
  {{ name: "text", data_type: TYPE_STRING, dims: [ 1 ] }}
]
output [
  {{ name: "embedding", data_type: TYPE_FP32, dims: [ {dimension} ] }},
  {{ name: "encoder", data_type: TYPE_STRING, dims: [ 1 ] }}
]
# Who asks has given up long before two seconds.
dynamic_batching {{
  max_queue_delay_microseconds: 0
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: 2000000
    max_queue_size: 512
  }}
}}
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
parameters {{ key: "intra_op_thread_count" value: {{ string_value: "1" }} }}
"""


def export_encoder(folder: Path, name: str, output: Path) -> Path:
    """Writes the model `name` into `output`, replacing an older one, and returns its folder.

    `folder`: a BERT in sentence-transformers' layout. Raises ExportError, with nothing published, where the
    exported encoder's vectors are not torch's.
    """
    check_name(name)
    source = open_source(folder)
    with staging(output, name) as beside:
        new = beside / name
        _write(new, source)
        for file in LEGAL:
            if found := [place / file for place in (folder, output / name) if (place / file).is_file()]:
                shutil.copy(found[0], new / file)
        parity = compare(new, source, read_prompts())
        if parity.failure:
            raise ExportError(f"{name} does not encode as torch does: {parity.failure}")
        (new / PARITY_FILE).write_text(json.dumps(asdict(parity), indent=2) + "\n")
        publish(new, output / name)
    return output / name


def _write(folder: Path, source: EncoderFolder) -> None:
    part = sentence_encoder(dimension=source.dimension)
    model = trace(source.network, part)
    declare_outputs(model, part)
    required = {name for name, _ in source.network.named_parameters()}
    values = store_int8(model, name_weights(model, weights_of(source.network), required))
    save_model(model, folder / "1", values)
    source.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "config.pbtxt").write_text(
        CONFIG.format(name=folder.name, batch=MAX_ENCODER_BATCH, dimension=source.dimension)
    )
