from __future__ import annotations

import pytest
import torch
from torch import nn

from demo.training import critic
from demo.training.critic import Critic


def test_the_critic_learns_to_tell_soft_edges_from_sharp_ones() -> None:
    torch.manual_seed(0)
    judge = Critic()
    optimiser = critic.optimiser(judge)
    for _ in range(60):
        real = _edges()
        critic.train(judge, optimiser, _blurred(real), real)
    real = _edges()
    assert judge(real)[-1].mean() > judge(_blurred(real))[-1].mean() + 0.5


def test_its_wish_weighs_half_of_likeness_and_leaves_the_critic_alone() -> None:
    torch.manual_seed(0)
    judge, last = Critic(), nn.Conv2d(3, 3, 3, padding=1)
    real = _edges()
    drawn = last(_blurred(real))
    likeness = (drawn - real).abs().mean()
    wish = critic.balanced(judge, drawn, real, likeness, last.weight)
    one, other = (torch.autograd.grad(value, last.weight, retain_graph=True)[0] for value in (likeness, wish))
    assert other.norm() == pytest.approx(critic.WEIGHT * one.norm(), rel=1e-4)
    wish.backward()
    assert all(value.grad is None and value.requires_grad for value in judge.parameters())


def _edges() -> torch.Tensor:
    return torch.randn(4, 3, 8, 8).sign().repeat_interleave(8, 2).repeat_interleave(8, 3)


def _blurred(pictures: torch.Tensor) -> torch.Tensor:
    return nn.functional.avg_pool2d(pictures, 5, 1, 2)
