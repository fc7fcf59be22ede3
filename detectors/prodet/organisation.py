"""How ProDet's anchors lie to each other: which attributes each has, and along which edges real becomes fake."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from config.errors import InputError

Anchor = Literal["real", "sbi", "cbi", "deepfake"]
Organised = Literal["r2b2d", "r2d2b", "surround"]
ANCHORS: dict[str, tuple[Anchor, ...]] = {
    "real_with_pseudofake": ("real", "sbi"),
    "aligned_triplet": ("real", "sbi", "cbi"),
    "aligned_quadruplet": ("real", "sbi", "cbi", "deepfake"),
}
"""The kinds of images that a batch of each recipe holds, in this order, with as many of each."""
CHAINS: dict[Organised, tuple[Anchor, ...]] = {
    "r2b2d": ("real", "sbi", "cbi", "deepfake"),
    "r2d2b": ("real", "deepfake", "sbi", "cbi"),
}
MOST_ATTRIBUTES = 3


@dataclass(frozen=True, slots=True)
class Organisation:
    """Anchors, their attributes, and the edges along which features are bridged and carried over.

    Attributes:
        anchors: in the order of a batch.
        attributes: for each anchor its label A' of three attributes, 0 or 1 each.
        edges: pairs of positions in `anchors`, from the less to the more fake one.
    """

    anchors: tuple[Anchor, ...]
    attributes: tuple[tuple[int, ...], ...]
    edges: tuple[tuple[int, int], ...]

    def names(self) -> list[tuple[Anchor, Anchor]]:
        """The anchors at both ends of each edge."""
        return [(self.anchors[start], self.anchors[end]) for start, end in self.edges]

    def ending_in(self, ends: tuple[Anchor, ...]) -> "Organisation":
        """The same with only the edges that end in some anchors.

        Raises:
            InputError: one of them is no anchor here.
        """
        for name in ends:
            if name not in self.anchors:
                held = ", ".join(self.anchors)
                fits = ", ".join(end for end in ends if end in self.anchors)
                raise InputError(f"options.bridged: batches of {held} have no {name}; leave it out: [{fits}]")
        kept = tuple(edge for edge in self.edges if self.anchors[edge[1]] in ends)
        return Organisation(self.anchors, self.attributes, kept)

    def attribute_labels(self) -> Tensor:
        """A' of each anchor: (anchors, 3) float32."""
        return torch.tensor(self.attributes, dtype=torch.float32)

    def kind_labels(self) -> Tensor:
        """Which of the four kinds each anchor is, as one-hot rows: (anchors, 4) float32."""
        order = ANCHORS["aligned_quadruplet"]
        return torch.eye(len(order))[[order.index(anchor) for anchor in self.anchors]]

    def fake_labels(self) -> Tensor:
        """0 for reals, 1 for all others: (anchors,) float32."""
        return torch.tensor([float(anchor != "real") for anchor in self.anchors])


def organise(name: Organised, anchors: tuple[Anchor, ...]) -> Organisation:
    """An organisation of anchors.

    `r2b2d` is the paper's (section 3.1): real, SBI, CBI, deepfake, each with one attribute more, blending, identity and
    generative. The two others stand in Table 5 without a definition. `r2d2b` is taken as the same along the chain
    real, deepfake, SBI, CBI; `surround` as an attribute of its own for each fake, with edges from real to each.

    Args:
        name: of the organisation.
        anchors: in the order of a batch.
    """
    if name == "surround":
        fakes = [anchor for anchor in anchors if anchor != "real"]
        attributes = tuple(
            tuple(int(anchor in fakes and fakes.index(anchor) == k) for k in range(MOST_ATTRIBUTES))
            for anchor in anchors
        )
        edges = tuple((anchors.index("real"), anchors.index(fake)) for fake in fakes)
        return Organisation(anchors, attributes, edges)
    chain = [anchor for anchor in CHAINS[name] if anchor in anchors]
    attributes = tuple(tuple(int(chain.index(anchor) > k) for k in range(MOST_ATTRIBUTES)) for anchor in anchors)
    edges = tuple((anchors.index(one), anchors.index(next_one)) for one, next_one in pairwise(chain))
    return Organisation(anchors, attributes, edges)


def anchors_of(recipe: str) -> tuple[Anchor, ...]:
    """What the batches of a recipe hold.

    Raises:
        InputError: the recipe's batches are not ordered by kind.
    """
    if recipe not in ANCHORS:
        raise InputError(f"dataset_type: ProDet learns from {', '.join(ANCHORS)}, not from '{recipe}'")
    return ANCHORS[recipe]
