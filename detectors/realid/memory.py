"""RealID's memory: prototypes of one class, and how a step's features move them (equations 2 to 6)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Initial = Literal["uniform", "normal"]
MatchOver = Literal["prototypes", "samples"]


class Memory(nn.Module):
    """K prototypes of unit length, which are found by the features that come near them and not by a gradient.

    Sums run over the samples of one class, which `belongs` (n,) bool picks out of a batch: no sample is selected by
    index, so that a GPU is never waited for.

    Attributes:
        prototypes: (K, C) float32, rows of length 1; a buffer, or with `trained` a parameter.
        usage: (K,) int64, how many features have moved each so far.

    Args:
        count: K, at least 2.
        channels: C.
        initial: numbers that the first prototypes are drawn from before they are brought to length 1: "uniform" in
            [0, 1), as MNAD (Park et al., CVPR 2020) has it, which makes them nearly parallel (cosine about 0.75), or
            "normal" (cosine about 0).
        trained: whether the optimiser moves them as well.
    """

    prototypes: Tensor
    usage: Tensor

    def __init__(self, count: int, channels: int, initial: Initial = "uniform", trained: bool = False) -> None:
        super().__init__()
        draw = torch.rand if initial == "uniform" else torch.randn
        first = F.normalize(draw(count, channels))
        if trained:
            self.prototypes = nn.Parameter(first)
        else:
            self.register_buffer("prototypes", first)
        self.register_buffer("usage", torch.zeros(count, dtype=torch.int64))

    def similarities(self, features: Tensor) -> Tensor:
        """m_i . f_j (n, K) of features (n, C) float32; their mean is that with the mean prototype of equation 8."""
        with torch.autocast(features.device.type, enabled=False):
            return features @ self.prototypes.T

    def nearest(self, features: Tensor, belongs: Tensor, over: MatchOver) -> Tensor:
        """p1 and p2 (n, 2): the prototypes with the largest and second largest w of equation 2.

        Args:
            features: (n, C).
            belongs: (n,) bool, which of them are of the memory's class.
            over: what w is normalised over, as the printed sum takes its bound from the one and its index from the
                other. Over the prototypes w has the order of the similarities themselves.
        """
        matching = self.similarities(features)
        if over == "samples":
            matching = matching - matching.masked_fill(~belongs[:, None], -torch.inf).logsumexp(0)
        return matching.topk(2, dim=1).indices

    @torch.no_grad()
    def update(self, features: Tensor, belongs: Tensor, over: MatchOver = "prototypes") -> None:
        """Equations 5 and 6: each prototype moves by the weighted features that it is the nearest to.

        A weight v' is v of equation 3, the softmax over the samples, divided by its largest value among those of the
        prototype: the softmax's denominator cancels, and exp(m . f - max) is left. The sum is brought back to length 1.
        Prototypes without a feature stay as they are, but that those which an optimiser moves are of length 1 again.

        Args:
            features: (n, C).
            belongs: (n,) bool, which of them are of the memory's class; others move nothing.
            over: as for `nearest`.
        """
        count = len(self.prototypes)
        nearest = self.nearest(features, belongs, over)[:, 0]
        moves = F.one_hot(nearest, count).bool() & belongs[:, None]
        scores = self.similarities(features).masked_fill(~moves, -torch.inf)
        weights = (scores - scores.amax(0)).exp().where(moves, 0.0)
        moved = F.normalize(self.prototypes + weights.T @ features)
        is_trained = isinstance(self.prototypes, nn.Parameter)
        self.prototypes.copy_(torch.where(moves.any(0)[:, None] | is_trained, moved, self.prototypes))
        self.usage += moves.sum(0)
