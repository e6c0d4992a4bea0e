"""One denoising step as one network: timestep from sigma, UNet, guidance, Euler step."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from contract.parts import ModelPart
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule
from export.networks.part_module import PartModule

Conditions = Callable[[Mapping[str, Tensor]], Mapping[str, Any]]


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

    def __init__(self, schedule: ScaledLinearSchedule, *, predicts_v: bool) -> None:
        super().__init__()
        self.predicts_v = predicts_v
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


def parametrisation_of(diffusion: Diffusion) -> Flow | VariancePreserving:
    if isinstance(diffusion.schedule, FlowSchedule):
        return Flow()
    return VariancePreserving(diffusion.schedule, predicts_v=diffusion.prediction == "v")


class Denoiser(PartModule):
    """Every input is per sample: see contract.families for shapes. Guidance 1 is no guidance.

    The UNet computes in the type of its weights; the step around it always in fp32.
    """

    copies = 2

    def __init__(
        self, part: ModelPart, unet: UNet2DConditionModel, diffusion: Diffusion, conditions: Conditions
    ) -> None:
        """`conditions`: the family's, see export.families.family."""
        super().__init__(part)
        self.unet = unet
        self.parametrisation = parametrisation_of(diffusion)
        self._conditions = conditions

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        latents, sigma, guidance = inputs["latents"], inputs["sigma"], inputs["guidance"]
        dtype = self.unet.dtype
        timestep = self.parametrisation.timestep(sigma[:, 0])
        wide = sigma[:, :, None, None]
        scaled = (latents * self.parametrisation.input_scale(wide)).to(dtype)
        both = self.unet(
            torch.cat([scaled, scaled]),
            torch.cat([timestep, timestep]),
            torch.cat([inputs["negative_embeddings"], inputs["embeddings"]]).to(dtype),
            **self._conditions(double(inputs, dtype)),
            return_dict=False,
        )[0].float()
        # Not chunk: torch.export cannot tell that a batch of any size has two halves.
        negative, positive = both.unflatten(0, (2, -1))
        output = negative + guidance[:, :, None, None] * (positive - negative)
        slope = self.parametrisation.slope(output, latents, wide)
        return latents + slope * (inputs["sigma_next"] - sigma)[:, :, None, None]


def double(inputs: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """What a family has beside the embeddings: for the negative prompt, then for the prompt."""
    found = {}
    if "pooled" in inputs:
        found["pooled"] = torch.cat([inputs["negative_pooled"], inputs["pooled"]]).to(dtype)
    if "time_ids" in inputs:
        found["time_ids"] = torch.cat([inputs["time_ids"], inputs["time_ids"]])
    return found
