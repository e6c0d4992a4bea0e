"""SD 3.5 in torch, of checkpoints without T5."""

from dataclasses import replace

from contract.families import SD3_CLIP
from export.families.sd3 import FAMILY as SD3

FAMILY = replace(
    SD3,
    row=SD3_CLIP,
    networks={name: kind for name, kind in SD3.networks.items() if name != "text_encoder_3"},
)
