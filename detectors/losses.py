"""Losses that a detector's YAML names in `loss_func`."""

import torch
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


@LOSSFUNC.register_module(module_name="l1loss")
class MeanAbsoluteError(nn.Module):
    """Mean absolute difference of values and targets of the same shape, computed in float32."""

    def forward(self, values: Tensor, target: Tensor) -> Tensor:
        """A scalar >= 0."""
        return F.l1_loss(values.float(), target.float())


@LOSSFUNC.register_module(module_name="contrastive_regularization")
class ContrastiveRegularisation(nn.Module):
    """How much nearer than `margin` a feature is to those of other classes than to those of its own (UCF, ICCV 2023).

    An anchor's loss is the mean of max(0, margin + |a - p| - |a - n|) over all others p of its class and all n of other
    classes, which is what one p and one n, drawn at random, give on average. Anchors without a p or an n do not count.

    Args:
        margin: in the units of the features.
    """

    def __init__(self, margin: float = 3.0) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, features: Tensor, label: Tensor) -> Tensor:
        """A scalar >= 0, the mean over the anchors (0 without one), of features (B, D) and labels (B,) int64."""
        exact = features.float()
        distances = torch.cdist(exact, exact, compute_mode="donot_use_mm_for_euclid_dist")
        same = label[:, None] == label
        alike = same & ~torch.eye(len(label), dtype=torch.bool, device=label.device)
        triples = alike[:, :, None] & ~same[:, None, :]
        excess = (self.margin + distances[:, :, None] - distances[:, None, :]).clamp(min=0)
        counts = triples.sum((1, 2))
        anchors = (excess * triples).sum((1, 2)) / counts.clamp(min=1)
        return anchors.sum() / (counts > 0).sum().clamp(min=1)


@LOSSFUNC.register_module(module_name="consistency_loss")
class Consistency(nn.Module):
    """CORE's consistency loss: mean of (1 - cosine)^2 of pairs of features (B, D), computed in float32; 0 to 4."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """A scalar: how far the features point in other directions than their partners."""
        return (1 - F.cosine_similarity(first.float(), second.float())).square().mean()
