"""RCR, the Region-aware Contrastive Regularization: what is alike inside and outside of a forged region."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Similarity = Literal["mean", "sum", "aligned"]

COMPARED = 5
"""Columns of `compare`."""


def mask_shares(mask: Tensor, size: torch.Size) -> Tensor:
    """How much of each cell of a map (h, w) belongs to the mask (n, 1, H, W): the means over cells, (n, 1, h, w)."""
    return F.interpolate(mask.float(), size, mode="area")


def regions(mask: Tensor, size: torch.Size, edge: float) -> tuple[Tensor, Tensor]:
    """Which cells of a map lie inside and which outside of the mask; those of its boundary do neither (Figure 12).

    The boundary of a pseudo-fake is soft, so that hardly a cell of a small mask has a share of exactly 1.

    Args:
        mask: (n, 1, H, W) in [0, 1].
        size: (h, w) of the map.
        edge: inside is a share of at least 1 - edge, outside one of at most `edge`; in [0, 0.5).

    Returns:
        Two times (n, 1, h, w) float32 of 0 and 1.
    """
    share = mask_shares(mask, size)
    return (share >= 1 - edge).float(), (share <= edge).float()


def compare(real: Tensor, fake: Tensor, mask: Tensor, edge: float, similarity: Similarity) -> Tensor:
    """The four similarities that equations 4 and 6 have of each pair, and whether it has both regions.

    Delta of equation 5 sums the cosines of all pixels of one region with all of the other (F5): by reading

    - "mean": their mean, in [-1, 1]. Linear in both, it is the product of the two mean unit vectors.
    - "sum": as printed; in the exponent thousands stand against thousands, and the larger alone counts.
    - "aligned": likewise the mean, but where both regions are the same, in equation 6, of pixels in the same place, as
      the printed index i has it.

    Args:
        real: map (n, C, h, w) of the real faces.
        fake: likewise of their fakes.
        mask: (n, 1, H, W) in [0, 1], where the fakes were changed.
        edge: as for `regions`.
        similarity: the reading of delta.

    Returns:
        (n, 5) float32: delta of (real in, real out), (fake in, fake out), (real out, fake out), (real in, fake in), and
        1 where neither region is empty, else 0.
    """
    inside, outside = regions(mask, real.shape[2:], edge)
    real, fake = (F.normalize(features.float()) for features in (real, fake))
    within, around = ([_gathered(one, region, similarity) for one in (real, fake)] for region in (inside, outside))
    patch = [(one * other).sum(1) for one, other in zip(within, around, strict=True)]
    if similarity == "aligned":
        cosines = (real * fake).sum(1, keepdim=True)
        image = [_gathered(cosines, region, "mean")[:, 0] for region in (outside, inside)]
    else:
        image = [(one * other).sum(1) for one, other in (around, within)]
    is_whole = inside.flatten(1).any(1) & outside.flatten(1).any(1)
    return torch.stack([*patch, *image, is_whole.float()], 1)


def contrast(near: Tensor, far: Tensor, counts: Tensor, temperature: float) -> Tensor:
    """-log(sum e^(near / tau) / (sum e^(near / tau) + sum e^(far / tau))) over pairs: equations 4 and 6.

    Of similarities in [-1, 1] it is between log(1 + e^(-2 / tau)) and log(1 + e^(2 / tau)), 0.056 and 2.913 for 0.7,
    and log 2 if both are alike.

    Args:
        near: (n,) similarities that are to grow.
        far: (n,) those that are to fall.
        counts: (n,) bool, which pairs count.
        temperature: tau.

    Returns:
        A scalar; 0 if no pair counts.
    """
    any_counts = counts.any()
    masked = [(one / temperature).masked_fill(~counts & any_counts, -torch.inf) for one in (near, far)]
    return (torch.cat(masked).logsumexp(0) - masked[0].logsumexp(0)) * any_counts


def _gathered(features: Tensor, region: Tensor, similarity: Similarity) -> Tensor:
    """The mean (n, C) of features (n, C, h, w) over a region, 0 if it is empty; or their sum."""
    total = (features * region).sum((2, 3))
    return total if similarity == "sum" else total / region.sum((2, 3)).clamp(min=1)
