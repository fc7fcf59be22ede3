"""RealID's Independent Dual-Decision classifier: four outputs, what regularises them, and the score (3.2)."""

from typing import Literal

import torch
from torch import Tensor

Branch = Literal["each", "batch"]
Auxiliaries = Literal["wrong", "both"]
Score = Literal["ratio", "fake"]

OUTPUTS = 4
"""Real, fake, and an auxiliary of each, in this order (equation 12)."""


def regulariser(probabilities: Tensor, label: Tensor, beta: float, branch: Branch, auxiliaries: Auxiliaries) -> Tensor:
    """Equations 13 and 14: the probability of the wrong class and its auxiliary are drawn to each other.

    d = f1 - f3 for a real image and f0 - f2 for a fake one; beta d^2 where |d| < 1, else |d| - beta. Of probabilities
    |d| is at most 1, and only beta = 0.5 makes the two branches meet there: it is the smooth L1 distance.

    Args:
        probabilities: (n, 4) float32, rows that sum to 1.
        label: (n,) int64.
        beta: in both branches.
        branch: the printed condition has |d| without an index: "each" d has its own, or all of the "batch" the one of
            the Euclidean length of its d.
        auxiliaries: "wrong" is as printed; with "both" an image has the d of both classes.

    Returns:
        (n,), with "both" the sum of the two.
    """
    real, fake, aside_real, aside_fake = probabilities.unbind(1)
    of_real, of_fake = fake - aside_fake, real - aside_real
    apart = torch.where(label == 0, of_real, of_fake)[:, None]
    if auxiliaries == "both":
        apart = torch.stack([of_real, of_fake], 1)
    size = apart.norm() if branch == "batch" else apart.abs()
    return torch.where(size < 1, beta * apart**2, apart.abs() - beta).sum(1)


def two_classes(outputs: Tensor, score: Score) -> Tensor:
    """Logits (n, 2) of real and fake whose softmax is the score, which the paper does not give.

    Args:
        outputs: (n, 4) logits.
        score: "ratio" is f1 / (f0 + f1), the share of fake without the auxiliaries; "fake" is f1 itself.
    """
    if score == "ratio":
        return outputs[:, :2]
    fake = outputs[:, 1]
    return torch.stack([outputs[:, [0, 2, 3]].logsumexp(1), fake], 1)
