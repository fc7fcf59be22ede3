"""ADFD's Noise Refinement Strategy: where real faces lie, how near a pseudo-fake comes, and what it then weighs."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

Distance = Literal["cosine", "l2"]
RESTARTS = 10
"""How often k-means starts anew, of which the best is kept; the paper does not say."""


class RealMemory(nn.Module):
    """Features of an epoch's real faces, those of the highest ranks, and the centres of an earlier epoch's.

    All of it lies in buffers of fixed shape, which a resumed run goes on with and files of weights leave out.

    Attributes:
        features: (k_s, D) float32, by falling rank.
        ranks: (k_s,) float32; 0 where no feature is held.
        centres: (k, D) float32.
        clustered: (), how many features the centres were made of; fewer than k are too few for centres.

    Args:
        channels: D, of a feature.
        size: k_s, how many features are held at most.
        centres: k.
    """

    features: Tensor
    ranks: Tensor
    centres: Tensor
    clustered: Tensor

    def __init__(self, channels: int, size: int, centres: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(size, channels), persistent=False)
        self.register_buffer("ranks", torch.zeros(size), persistent=False)
        self.register_buffer("centres", torch.zeros(centres, channels), persistent=False)
        self.register_buffer("clustered", torch.zeros((), dtype=torch.int64), persistent=False)

    @property
    def has_centres(self) -> Tensor:
        """(), whether there are centres to measure by."""
        return self.clustered >= len(self.centres)

    def forget(self) -> None:
        """Hold no features, as before an epoch; the centres stay."""
        self.features.zero_()
        self.ranks.zero_()

    @torch.no_grad()
    def offer(self, features: Tensor, ranks: Tensor) -> None:
        """Hold the highest ranks of what is held and what is offered; of equal ones those that came first.

        Args:
            features: (n, D) float32.
            ranks: (n,) float32, positive; 0 for what is not to be held.
        """
        sorted_ranks, order = torch.cat([self.ranks, ranks]).sort(descending=True, stable=True)
        best = order[: len(self.ranks)]
        self.features.copy_(torch.cat([self.features, features])[best])
        self.ranks.copy_(sorted_ranks[: len(self.ranks)])

    @torch.no_grad()
    def find_centres(self, seed: int) -> int:
        """Make centres of the features held, if there are at least as many as centres.

        Args:
            seed: of k-means, 0 to 2**32 - 1.

        Returns:
            How many features were held.
        """
        held = self.features[self.ranks > 0]
        self.clustered.fill_(len(held))
        if len(held) >= len(self.centres):
            centres = k_means(held.cpu().numpy(), len(self.centres), seed)
            self.centres.copy_(torch.from_numpy(centres))
        return len(held)


def k_means(points: npt.NDArray[np.float32], count: int, seed: int) -> npt.NDArray[np.float64]:
    """The `count` centres (k, D) of points (n, D) by Euclidean distance: k-means++, then Lloyd's steps in float64.

    Args:
        points: at least as many as centres.
        count: k.
        seed: 0 to 2**32 - 1.
    """
    from sklearn.cluster import KMeans

    with threadpool_limits(1):  # so that sums do not depend on the order in which threads come
        found = KMeans(count, n_init=RESTARTS, random_state=seed).fit(points.astype(np.float64))
    centres: npt.NDArray[np.float64] = found.cluster_centers_
    return centres


def noise_distance(features: Tensor, centres: Tensor, distance: Distance) -> Tensor:
    """Dist (B,) float32: how far each feature (B, D) is from the nearest of the centres (k, D).

    Args:
        features: of any precision.
        centres: of any precision.
        distance: "cosine", 1 - cos in [0, 2]; or "l2", the Euclidean distance in [0, 2] of features and centres brought
            to unit length.
    """
    ends = F.normalize(features.float())[:, None] - F.normalize(centres.float())
    squared = ends.square().sum(2).amin(1)
    return squared / 2 if distance == "cosine" else squared.sqrt()  # of unit vectors |a - b|^2 = 2 (1 - cos)


def noise_weight(distances: Tensor, is_fake: Tensor, threshold: float, elapsed: float) -> Tensor:
    """The weight w (B,) of equations 5 and 6: Dist * elapsed + 1 - elapsed of a fake below the threshold, else 1.

    Args:
        distances: (B,) Dist.
        is_fake: (B,) bool, the pseudo-fakes.
        threshold: lambda.
        elapsed: epoch / beta, in [0, 1].
    """
    return torch.where(is_fake & (distances < threshold), distances * elapsed + (1 - elapsed), 1.0)
