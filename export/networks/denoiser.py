"""One denoising step as one network: timestep from sigma, UNet, guidance, Euler step."""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import PretrainedConfig

from export.checkpoints.scheduler import Schedule


class Flow(nn.Module):
    """Rectified flow: the network predicts noise minus picture, sigma runs from 1 to 0."""

    def timestep(self, sigma: Tensor) -> Tensor:
        return sigma * 1000

    def input_scale(self, sigma: Tensor) -> Tensor:
        return torch.ones_like(sigma)

    def slope(self, output: Tensor, latents: Tensor, sigma: Tensor) -> Tensor:
        """d latents / d sigma."""
        return output


class VariancePreserving(nn.Module):
    """Networks trained on scaled-linear betas, in the variance-exploding form of Karras et al. (2022).

    The timestep of a sigma is found between the two training timesteps around it, linearly in ln(sigma).
    """

    log_sigmas: Tensor

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.predicts_v = schedule.prediction == "v"
        self.register_buffer("log_sigmas", torch.from_numpy(schedule.log_sigmas()), persistent=False)

    def timestep(self, sigma: Tensor) -> Tensor:
        last = self.log_sigmas.shape[0] - 1
        wanted = sigma.log()
        below = (self.log_sigmas[None] <= wanted[:, None]).long().sum(dim=1) - 1
        low = below.clamp(0, last - 1)
        left, right = self.log_sigmas[low], self.log_sigmas[low + 1]
        return low.float() + ((wanted - left) / (right - left)).clamp(0, 1)

    def input_scale(self, sigma: Tensor) -> Tensor:
        return torch.rsqrt(sigma**2 + 1)

    def slope(self, output: Tensor, latents: Tensor, sigma: Tensor) -> Tensor:
        if not self.predicts_v:
            return output
        # The predicted clean picture is latents / (sigma² + 1) - output sigma / sqrt(sigma² + 1).
        return latents * sigma / (sigma**2 + 1) + output * torch.rsqrt(sigma**2 + 1)


def parametrisation_of(schedule: Schedule) -> Flow | VariancePreserving:
    return Flow() if schedule.prediction == "flow" else VariancePreserving(schedule)


class Denoiser(nn.Module):
    """Every input is per sample: see export.networks.parts.denoiser for shapes. Guidance 1 is no guidance.

    The UNet computes in the type of its weights; the step around it always in fp32.
    """

    def __init__(self, unet: UNet2DConditionModel, schedule: Schedule) -> None:
        super().__init__()
        self.config = PretrainedConfig()  # optimum reads it
        self.unet = unet
        self.parametrisation = parametrisation_of(schedule)

    def forward(
        self,
        latents: Tensor,
        sigma: Tensor,
        sigma_next: Tensor,
        guidance: Tensor,
        embeddings: Tensor,
        negative_embeddings: Tensor,
        pooled: Tensor | None = None,
        negative_pooled: Tensor | None = None,
        time_ids: Tensor | None = None,
    ) -> Tensor:
        dtype = self.unet.dtype
        timestep = self.parametrisation.timestep(sigma[:, 0])
        wide = sigma[:, :, None, None]
        scaled = (latents * self.parametrisation.input_scale(wide)).to(dtype)
        both = self.unet(
            torch.cat([scaled, scaled]),
            torch.cat([timestep, timestep]),
            torch.cat([negative_embeddings, embeddings]).to(dtype),
            added_cond_kwargs=_added(pooled, negative_pooled, time_ids, dtype),
            return_dict=False,
        )[0].float()
        # Not chunk: torch.export cannot tell that a batch of any size has two halves.
        negative, positive = both.unflatten(0, (2, -1))
        output = negative + guidance[:, :, None, None] * (positive - negative)
        slope = self.parametrisation.slope(output, latents, wide)
        return latents + slope * (sigma_next - sigma)[:, :, None, None]


def _added(
    pooled: Tensor | None, negative_pooled: Tensor | None, time_ids: Tensor | None, dtype: torch.dtype
) -> dict[str, Tensor] | None:
    """What SDXL's UNet takes beside the embeddings; SD 1.5's takes nothing."""
    if pooled is None or negative_pooled is None or time_ids is None:
        return None
    return {
        "text_embeds": torch.cat([negative_pooled, pooled]).to(dtype),
        "time_ids": torch.cat([time_ids, time_ids]),
    }
