"""ProDet's feature bridging: features and labels between two adjacent anchors, mixed at random."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from detectors.prodet.organisation import Organisation

Mixing = Literal["beta", "uniform"]
SHAPE_LIMITS = (0.5, 2.0)


def draw_ratios(mixing: Mixing, edges: int, count: int, rng: np.random.Generator) -> Tensor:
    """The share of the more fake end in each bridged feature: (edges, count) float32 in [0, 1].

    Args:
        mixing: `uniform` as the paper's "random mixing ratio" is read; `beta` as in the released code: Beta(s, s) with
            s uniform in 0.5 to 2.
        edges: number of edges.
        count: features of an edge.
        rng: source of all draws.
    """
    if mixing == "uniform":
        ratios = rng.random((edges, count))
    else:
        shape = rng.uniform(*SHAPE_LIMITS, (edges, count))
        ratios = rng.beta(shape, shape)
    return torch.from_numpy(ratios.astype(np.float32))


def bridge(anchors: Tensor, ratios: Tensor, organisation: Organisation) -> Tensor:
    """Features between the two ends of each edge, equation 4: (E * B, C, h, w), edge by edge.

    Both ends of a bridge are of the same video and frame.

    Args:
        anchors: (A, B, C, h, w), the features of each anchor.
        ratios: (E, B) share of the more fake end.
        organisation: of the anchors, with E edges.
    """
    starts, ends = ends_of_edges(anchors, organisation)
    return torch.lerp(starts, ends, _beside(ratios, starts).to(anchors.dtype)).flatten(0, 1)


def bridged_labels(labels: Tensor, ratios: Tensor, organisation: Organisation) -> Tensor:
    """Labels between those of the two ends of each edge: (E * B, ...), edge by edge.

    Args:
        labels: (A, ...) float32, a label for each anchor.
        ratios: (E, B) share of the more fake end.
        organisation: of the anchors, with E edges.
    """
    starts, ends = (side.unsqueeze(1) for side in ends_of_edges(labels, organisation))
    return torch.lerp(starts, ends, _beside(ratios, starts)).flatten(0, 1)


def ends_of_edges(anchors: Tensor, organisation: Organisation) -> tuple[Tensor, Tensor]:
    """What belongs to the less and to the more fake end of each edge: (E, ...) twice, of (A, ...)."""
    each = anchors.unbind()
    starts, ends = zip(*((each[start], each[end]) for start, end in organisation.edges), strict=True)
    return torch.stack(starts), torch.stack(ends)


def _beside(ratios: Tensor, values: Tensor) -> Tensor:
    """Ratios (E, B) with as many axes as values (E, B, ...)."""
    return ratios.view(*ratios.shape, *[1] * (values.ndim - 2))
