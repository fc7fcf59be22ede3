"""Losses that a detector's YAML names in `loss_func`."""

import torch.nn.functional as F
from torch import Tensor, nn

from detectors import LOSSFUNC


@LOSSFUNC.register_module(module_name="cross_entropy")
class CrossEntropy(nn.Module):
    """Mean cross-entropy of logits (B, C) with labels (B,) int64, in nats, computed in float32."""

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """A scalar >= 0."""
        return F.cross_entropy(logits.float(), label)
