"""One optimiser step: precision, gradient accumulation, SAM's two passes, and the joint gradient of processes."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from config.errors import InputError
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector, DataDict
from training.optim import build_optimizer, build_sam, build_scheduler

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Objective(nn.Module):
    """Forward pass and losses as one module, so that a wrapper such as DDP sees both."""

    def __init__(self, detector: AbstractDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, data_dict: DataDict) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Losses and train metrics of a batch; only `overall` has a gradient."""
        pred_dict = self.detector(data_dict)
        losses = self.detector.get_losses(data_dict, pred_dict)
        logged = {name: loss if name == "overall" else loss.detach() for name, loss in losses.items()}
        return logged, self.detector.get_train_metrics(data_dict, pred_dict)


class Stepper:
    """One optimiser step over one or several batches, in the configured precision, with SAM's two passes if asked for.

    Several processes step with the mean of their gradients, each on its share of the batches; SAM climbs by that mean.

    Raises:
        InputError: fp16 without a CUDA device.
    """

    def __init__(
        self, detector: AbstractDetector, config: DetectorConfig, device: torch.device, group: Group = ALONE
    ) -> None:
        if config.precision == "fp16" and device.type != "cuda":
            raise InputError(f"precision fp16 needs a CUDA device, not '{device}': use bf16 or fp32")
        self.detector = detector
        self.device = device
        self.dtype = PRECISIONS[config.precision]
        self.group = group
        self.objective = Objective(detector)
        self._joint: DistributedDataParallel | None = None
        self.optimizer = build_optimizer(detector.parameters(), config.optimizer)
        self.sam = build_sam(self.optimizer, config.optimizer)
        self.scheduler = build_scheduler(self.optimizer, config)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.dtype == torch.float16)

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def start_epoch(self) -> None:
        """Take the detector as its hooks left it.

        Of several processes all begin with the parameters and buffers of the first one. DDP is made anew, because it
        would not see parameters that a hook has thawed.
        """
        if self.group.size > 1:
            self._joint = None  # the former wrapper goes before the new one comes
            self._joint = DistributedDataParallel(
                self.objective,
                device_ids=[self.device] if self.device.type == "cuda" else None,
                find_unused_parameters=True,  # a network may have layers that this configuration does not use
            )

    def step(self, batches: Sequence[DataDict]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Step once on the mean loss of the batches.

        Returns:
            Their mean losses and train metrics, still on the device; under SAM those of the first pass, at the weights
            that the step starts from.
        """
        scalars = self._backward(batches, number=0)
        if self.sam is not None:
            self.sam.climb()
            self._backward(batches, number=1)
            self.sam.come_back()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        return scalars

    def _backward(self, batches: Sequence[DataDict], number: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        self.detector.on_pass_start(number)
        objective = self._joint or self.objective
        passes = []
        for position, batch in enumerate(batches, 1):
            is_last = position == len(batches)
            with self._joint.no_sync() if self._joint and not is_last else nullcontext():
                with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    losses, metrics = objective(to_device(batch, self.device))
                self.scaler.scale(losses["overall"] / len(batches)).backward()
            passes.append(({k: v.detach() for k, v in losses.items()}, {k: v.detach() for k, v in metrics.items()}))
        return _mean([losses for losses, _ in passes]), _mean([metrics for _, metrics in passes])

    def state_dict(self) -> dict[str, Any]:
        """State of optimiser, schedule and loss scaler."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.scaler.load_state_dict(state["scaler"])


def to_device(batch: DataDict, device: torch.device) -> dict[str, Tensor]:
    """A batch on the device, images in channels_last."""
    layout = {4: torch.channels_last}
    return {
        key: value.to(device, non_blocking=True, memory_format=layout.get(value.ndim, torch.preserve_format))
        for key, value in batch.items()
    }


def _mean(passes: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([scalars[name] for scalars in passes]).mean() for name in passes[0]}
