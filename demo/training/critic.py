"""A small network that tells decoded pictures from the generator's, patch by patch, for the decoder.

What the latents leave open has many right answers. Against any measured distance to the one picture, the mean
of them is best, which is none of them; to a critic each of them is right.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from demo.evaluation.sharpness import details

CHANNELS, GROUPS = (32, 64, 128), 8
FINE = 4.0
"""How much the finest band counts in what it looks at, beside the picture itself."""
RATE = 4e-4
LATE = 0.1
"""Share of the decoder's steps before it is asked to please."""
WEIGHT = 0.5
"""Of the critic's wish at the decoder's last layer, beside that of likeness."""
MOST = 2.0
"""Of how much its wish is enlarged: one that hardly moves the decoder is none."""
FEATURES = 4.0
"""Weight of the distance between what the critic sees in both pictures, within its wish."""


class Critic(nn.Module):  # type: ignore[misc, unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        widths = (6, *CHANNELS)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.GroupNorm(GROUPS, after), nn.LeakyReLU(0.2))
            for before, after in zip(widths, CHANNELS, strict=False)
        )
        self.verdict = nn.Conv2d(CHANNELS[-1], 1, 3, 1, 1)

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """[B, 3, H, W] in -1 to 1 to what each layer sees and, last, verdicts: above zero for real ones."""
        seen = [torch.cat((pictures, FINE * next(details(pictures))), 1)]
        for layer in self.layers:
            seen.append(layer(seen[-1]))
        return [*seen[1:], self.verdict(seen[-1])]


def optimiser(critic: Critic) -> torch.optim.AdamW:
    return torch.optim.AdamW(critic.parameters(), lr=RATE, betas=(0.5, 0.95), weight_decay=0.0)


def train(critic: Critic, steps: torch.optim.AdamW, drawn: torch.Tensor, real: torch.Tensor) -> None:
    """One step, by hinge."""
    false, true = critic(torch.cat((drawn, real)))[-1].chunk(2)
    loss = F.relu(1 + false).mean() + F.relu(1 - true).mean()
    steps.zero_grad(set_to_none=True)
    loss.backward()
    steps.step()


def balanced(
    critic: Critic, drawn: torch.Tensor, real: torch.Tensor, likeness: torch.Tensor, last: torch.Tensor
) -> torch.Tensor:
    """What the critic wishes of `drawn`, weighed so that it moves the decoder's `last` layer WEIGHT times as
    much as likeness does."""
    for value in critic.parameters():
        value.requires_grad_(False)
    found, right = critic(drawn), critic(real)
    for value in critic.parameters():
        value.requires_grad_(True)
    nearness = [(one - other).abs().mean() for one, other in zip(found[:-1], right[:-1], strict=True)]
    wish = FEATURES * torch.stack(nearness).mean() - found[-1].mean()
    one, other = (torch.autograd.grad(value, last, retain_graph=True)[0].norm() for value in (likeness, wish))
    return WEIGHT * (one / (other + 1e-6)).clamp(max=MOST) * wish
