"""One denoising step as one network: timestep from sigma, the family's network, guidance, Euler step."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from contract.parts import ModelPart
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule
from export.families.family import TorchFamily
from export.networks.part_module import PartModule


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

    The family's network computes in the type of its weights; the step around it always in fp32.
    """

    def __init__(self, part: ModelPart, network: Any, diffusion: Diffusion, family: TorchFamily) -> None:
        super().__init__(part)
        self._name, self._predict = family.row.denoiser, family.predict
        family.prepare(network)
        self.add_module(self._name, network)  # so are its weights called in the graph
        self.parametrisation = parametrisation_of(diffusion)
        self.copies = len(texts_of(part))

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        latents, sigma = inputs["latents"], inputs["sigma"]
        network: Any = self.get_submodule(self._name)
        timestep = self.parametrisation.timestep(sigma[:, 0])
        wide = sigma[:, :, None, None]
        scaled = (latents * self.parametrisation.input_scale(wide)).to(network.dtype)
        output = self._predict(network, asked(inputs, scaled, timestep)).float()
        if self.copies == 2:
            # Not chunk: torch.export cannot tell that a batch of any size has two halves.
            negative, positive = output.unflatten(0, (2, -1))
            output = negative + inputs["guidance"][:, :, None, None] * (positive - negative)
        slope = self.parametrisation.slope(output, latents, wide)
        return latents + slope * (inputs["sigma_next"] - sigma)[:, :, None, None]


def texts_of(part: ModelPart) -> tuple[str, ...]:
    """How the names of a denoiser's inputs begin for each text that it runs on, in the order in its batch."""
    two = any(tensor.name == "negative_embeddings" for tensor in part.inputs)
    return ("negative_", "") if two else ("",)


def asked(inputs: Mapping[str, Tensor], latents: Tensor, timestep: Tensor) -> dict[str, Tensor]:
    """What a family's network is asked, [copies · B, …]: all of the negative prompt's, then all of the
    prompt's. Where it runs on one text, the guidance is its own."""
    texts = ("negative_", "") if "negative_embeddings" in inputs else ("",)

    def each(name: str) -> Tensor:
        return torch.cat([inputs[f"{text}{name}"] for text in texts])

    def same(value: Tensor) -> Tensor:
        return torch.cat([value for _ in texts])

    found = {"latents": same(latents), "timestep": same(timestep)}
    found["embeddings"] = each("embeddings").to(latents.dtype)
    if "pooled" in inputs:
        found["pooled"] = each("pooled").to(latents.dtype)
    if "mask" in inputs:
        found["mask"] = each("mask")
    if "time_ids" in inputs:
        found["time_ids"] = same(inputs["time_ids"])
    if "guidance" in inputs and len(texts) == 1:
        found["guidance"] = inputs["guidance"][:, 0]
    return found
