"""Optimisers and learning-rate schedules: torch's own, and sharpness-aware minimisation on top of one."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR

from config import schema
from config.schema import DetectorConfig


def build_optimizer(parameters: Iterable[nn.Parameter], config: schema.Optimizer) -> Optimizer:
    """The optimiser that takes the step: Adam, or SGD, which SAM also steps with (see `build_sam`).

    Frozen parameters are held too, so that a hook may thaw them; without a gradient they do not move.
    """
    if config.type == "adam":
        adam = config.adam
        return torch.optim.Adam(
            parameters,
            lr=adam.lr,
            betas=(adam.beta1, adam.beta2),
            eps=adam.eps,
            weight_decay=adam.weight_decay,
            amsgrad=adam.amsgrad,
        )
    sgd = config.sam if config.type == "sam" else config.sgd
    return torch.optim.SGD(parameters, lr=sgd.lr, momentum=sgd.momentum, weight_decay=sgd.weight_decay)


def build_sam(optimizer: Optimizer, config: schema.Optimizer) -> "SAM | None":
    """The climb that precedes each step of `optimizer`, or None if SAM is not asked for."""
    return SAM(optimizer, config.sam.rho) if config.type == "sam" else None


def build_scheduler(optimizer: Optimizer, config: DetectorConfig) -> LRScheduler:
    """The learning-rate schedule, to be stepped once after each epoch.

    `step` multiplies by `lr_gamma` every `lr_step` epochs. `cosine` falls to `lr_eta_min` in `lr_T_max` epochs
    (default: all). `linear` is SBI's: constant for three quarters of the epochs, then down in a line that would reach 0
    one epoch after the last. None is constant.
    """
    if config.lr_scheduler == "step":
        return StepLR(optimizer, config.lr_step, config.lr_gamma)
    if config.lr_scheduler == "cosine":
        return CosineAnnealingLR(optimizer, config.lr_T_max or config.nEpochs, config.lr_eta_min)
    if config.lr_scheduler == "linear":
        epochs, decay_from = config.nEpochs, config.nEpochs * 3 // 4
        return LambdaLR(optimizer, lambda epoch: min(1.0, (epochs - epoch) / (epochs - decay_from)))
    return LambdaLR(optimizer, lambda epoch: 1.0)


class SAM:
    """Sharpness-aware minimisation (Foret et al., ICLR 2021, algorithm 1): climb, take the gradient there, come back.

    One step is: backward at w; `climb` to w + rho g / |g|, with |g| over all parameters; backward there;
    `come_back` to w, bit for bit; then the base optimiser steps from w with the second gradient. The base optimiser
    stays a plain torch optimiser, so schedules, loss scaling and checkpoints see nothing unusual. Only the direction of
    g is used, hence a scaled loss needs no unscaling before the climb; where the scale was too high and g is not
    finite, w stays, and the loss scaler will skip the step.

    With gradient accumulation both passes run over all micro-batches of the step: g is the gradient of their joint
    loss, as for one big batch.

    Args:
        optimizer: the base optimiser.
        rho: radius of the climb.
    """

    def __init__(self, optimizer: Optimizer, rho: float) -> None:
        self.optimizer = optimizer
        self.rho = rho
        self._origin: list[tuple[nn.Parameter, Tensor]] = []

    @torch.no_grad()
    def climb(self) -> None:
        """Move to the worst point nearby, by the gradient that has been accumulated, and clear that gradient."""
        moved = [(p, p.grad) for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        self._origin = [(parameter, parameter.detach().clone()) for parameter, _ in moved]
        norm = torch.stack([gradient.norm() for _, gradient in moved]).norm()
        if torch.isfinite(norm):
            scale = self.rho / (norm + 1e-12)
            for parameter, gradient in moved:
                parameter.add_(gradient * scale)
        self.optimizer.zero_grad()

    @torch.no_grad()
    def come_back(self) -> None:
        """Return to where `climb` started; the gradient stays."""
        for parameter, origin in self._origin:
            parameter.copy_(origin)
        self._origin = []
