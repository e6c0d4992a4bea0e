"""The VAE's decoder, from the denoiser's latents to the bytes of a picture."""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import PretrainedConfig


class Decoder(nn.Module):
    """Latents [B, C, h, w] as the denoiser leaves them → RGB uint8 [B, H, W, 3], rounded half up."""

    gain: Tensor
    offset: Tensor

    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        # AutoencoderKL.decode is these two; it is no module of its own, so its weights would lose their path.
        self.post_quant_conv = vae.post_quant_conv or nn.Identity()
        self.decoder = vae.decoder
        config = vae.config
        spread = torch.tensor(config.get("latents_std") or [1.0]).reshape(1, -1, 1, 1)
        mean = torch.tensor(config.get("latents_mean") or [0.0]).reshape(1, -1, 1, 1)
        self.register_buffer("gain", spread / config.scaling_factor, persistent=False)
        self.register_buffer("offset", mean + (config.get("shift_factor") or 0.0), persistent=False)

    @property
    def dtype(self) -> torch.dtype:
        """In which the network computes; what is around it is fp32."""
        return next(self.decoder.parameters()).dtype

    def forward(self, latents: Tensor) -> Tensor:
        scaled = (latents * self.gain + self.offset).to(self.dtype)
        picture = self.decoder(self.post_quant_conv(scaled)).float()
        levels = (picture / 2 + 0.5).clamp(0, 1) * 255
        # Bytes last: TensorRT takes them for an output, and for nothing on the way to it.
        return torch.floor(levels + 0.5).permute(0, 2, 3, 1).to(torch.uint8)
