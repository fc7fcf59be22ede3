"""RealID's losses of a real face's place among the prototypes (equations 7 and 9)."""

from typing import Literal

import torch
from torch import Tensor

from detectors.realid.memory import Memory

Distinction = Literal["info_nce", "fake_only", "real_plus_meanfake"]


def distinction_loss(features: Tensor, real: Memory, fake: Memory, nearest: Tensor, reading: Distinction) -> Tensor:
    """Equation 7: towards the nearest real prototype and the mean of all, away from the fake ones and their mean.

    With S+ = exp(m_p1 . f) + exp(mean_R . f) it is -log(S+ / D). The printed D does not say whose prototypes it sums,
    and does not have S+ in it, so that the ratio can be above 1 and the loss below 0. D is by reading:

    - "info_nce": S+ + sum_k exp(mF_k . f) + exp(mean_F . f), so that the loss is positive.
    - "fake_only": the same without S+; features of any length can make the loss as low as they like.
    - "real_plus_meanfake": sum_k exp(mR_k . f) + exp(mean_F . f); the loss is above -log(1 + 1 / K).

    For unit features and K = 10 the first is at least log(1 + 11 / 2 e^-2) = 0.556 (similarities 1 and -1), and the
    second log(11 / 2) - 2 = -0.295.

    Args:
        features: (n, C) float32.
        real: the memory of real faces.
        fake: the memory of fakes.
        nearest: (n,) the nearest real prototype of each.
        reading: which D.

    Returns:
        (n,).
    """
    to_real, to_fake = real.similarities(features), fake.similarities(features)
    to_nearest = to_real.gather(1, nearest[:, None])
    to_mean_real, to_mean_fake = (similarities.mean(1, keepdim=True) for similarities in (to_real, to_fake))
    towards = torch.cat([to_nearest, to_mean_real], 1)
    against = {
        "info_nce": (towards, to_fake, to_mean_fake),
        "fake_only": (to_fake, to_mean_fake),
        "real_plus_meanfake": (to_real, to_mean_fake),
    }[reading]
    return torch.cat(against, 1).logsumexp(1) - towards.logsumexp(1)


def diversity_loss(features: Tensor, real: Memory, nearest: Tensor, margin: float) -> Tensor:
    """Equation 9: nearer to the nearest real prototype than to the second nearest, by a margin.

    [|f - m_p1| - |f - m_p2| + margin]_+ with Euclidean distances. A feature as near to both has the margin; of unit
    vectors, whose most similar prototype is the nearest, none has more.

    Args:
        features: (n, C) float32.
        real: the memory of real faces.
        nearest: (n, 2) the nearest and the second nearest prototype of each.
        margin: alpha.

    Returns:
        (n,).
    """
    first, second = ((features - real.prototypes[column]).norm(dim=1) for column in nearest.unbind(1))
    return (first - second + margin).relu()
