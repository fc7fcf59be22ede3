"""Losses that a detector's YAML names in `loss_func`."""

import torch.nn.functional as F
from torch import Tensor, nn

from config.errors import InputError
from detectors import LOSSFUNC


@LOSSFUNC.register_module(module_name="cross_entropy")
class CrossEntropy(nn.Module):
    """Mean cross-entropy of logits (B, C) with labels (B,) int64 or (B, C) shares, in nats, computed in float32."""

    def forward(self, logits: Tensor, label: Tensor, weight: Tensor | None = None) -> Tensor:
        """A scalar >= 0; with a `weight` (B,) of each sample the sum of the weighted ones over B."""
        if weight is None:
            return F.cross_entropy(logits.float(), label)
        return (weight * F.cross_entropy(logits.float(), label, reduction="none")).mean()


@LOSSFUNC.register_module(module_name="bce")
class BinaryCrossEntropy(nn.Module):
    """Mean binary cross-entropy of logits with targets in [0, 1] of the same shape, in nats, computed in float32."""

    def forward(self, logits: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """A scalar >= 0; its least value is the mean entropy of the targets. A `weight` is as for cross-entropy.

        Raises:
            InputError: the shapes differ, as those of two logits and one label do.
        """
        if logits.shape != target.shape:
            raise InputError(
                f"loss_func: bce takes a target for each logit, not {tuple(target.shape)} for {tuple(logits.shape)}; "
                "classifiers of real and fake take cross_entropy"
            )
        return F.binary_cross_entropy_with_logits(logits.float(), target.float(), weight)
