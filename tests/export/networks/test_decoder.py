from pathlib import Path

import numpy as np
import torch

from export.checkpoints.checkpoint import Checkpoint
from export.networks.decoder import Decoder
from tests.export.session import run
from tests.export.tiny import vae


def test_picture_is_what_diffusers_decodes(tiny: Checkpoint, repository: Path) -> None:
    """Within one level: theirs rounds half to even, and rounding differs in the last bit of fp32."""
    latents = torch.randn(2, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        decoded = tiny.vae.decode(latents / tiny.vae.config.scaling_factor).sample
    wanted = ((decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255).round().numpy()
    (found,) = run(repository / "eros-decoder", {"latents": latents})
    assert found.dtype == np.uint8
    assert found.shape == (2, 5 * 32, 3 * 32, 3)
    assert found.std() > 5
    difference = np.abs(found.astype(int) - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_shift_mean_and_spread_of_latents_are_undone() -> None:
    plain = vae()
    shifted = vae(latents_mean=[0.5] * 4, latents_std=[2.0] * 4, shift_factor=0.1)
    shifted.load_state_dict(plain.state_dict())
    latents = torch.randn(1, 4, 2, 2)
    scale = plain.config["scaling_factor"]
    with torch.no_grad():
        found = Decoder(shifted.eval())(latents)
        wanted = Decoder(plain.eval())((latents * 2 / scale + 0.6) * scale)
    assert int((found.int() - wanted.int()).abs().max()) <= 1
