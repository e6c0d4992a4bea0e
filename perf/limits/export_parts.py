"""A checkpoint's parts as `imgen export` writes them, without the comparison with torch: gigabytes less.

In the environment of the exporter: python -m perf.limits.export_parts CHECKPOINT REPOSITORY
"""

import sys
from pathlib import Path

from contract.names import network_name
from export.checkpoints.checkpoint import open_checkpoint
from export.graphs.storage import save_model, store_fp16
from export.graphs.weight_names import name_weights
from export.networks.networks import networks_of
from export.networks.precision import cast
from export.networks.trace import declare_outputs, trace, weights_of

NAME = "eros"


def export_parts(checkpoint: Path, repository: Path) -> None:
    """With the exporter's defaults: weights stored in fp16, computed with in fp32."""
    for network in networks_of(open_checkpoint(checkpoint, as_stored=True)):
        cast(network.module, "fp32")
        model = trace(network.module, network.part)
        declare_outputs(model, network.part)
        weights = name_weights(model, weights_of(network.module), set())
        store_fp16(model, weights)
        save_model(model, repository / network_name(NAME, network.part.name) / "1", weights)


if __name__ == "__main__":
    export_parts(Path(sys.argv[1]), Path(sys.argv[2]))
