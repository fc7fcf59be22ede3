"""ProDet's attribute classifiers, in the three forms of its Figure 7, and the oriented loss."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from detectors.prodet.organisation import MOST_ATTRIBUTES, Organisation

Strategy = Literal["triplet_binary", "multi_label", "multi_class"]
HIDDEN = 256


def pooled_classifier(channels: int, classes: int) -> nn.Sequential:
    """A head: the mean over a map (B, channels, h, w), a hidden layer of 256, logits (B, classes)."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(HIDDEN, classes),
    )


@dataclass(frozen=True, slots=True)
class AttributeTask:
    """What the attribute heads learn under a strategy of classification: their sizes, labels and loss.

    Attributes:
        strategy: `triplet_binary`, three heads of two classes each; `multi_label`, one head with a logit for each
            attribute; `multi_class`, one head for the four kinds of images, whose soft labels lie between two kinds.
    """

    strategy: Strategy

    @property
    def heads(self) -> dict[str, int]:
        """The heads and how many logits each has, under the names of ProDet's released weights."""
        if self.strategy == "triplet_binary":
            return {"blend_classifier": 2, "ID_inconsistency_classifier": 2, "deepfake_classifier": 2}
        return {"attribute_classifier": 4 if self.strategy == "multi_class" else MOST_ATTRIBUTES}

    def labels(self, organisation: Organisation) -> Tensor:
        """What the heads should say of each anchor: (anchors, 3) attributes, or (anchors, 4) kinds."""
        if self.strategy == "multi_class":
            return organisation.kind_labels()
        return organisation.attribute_labels()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """L_o: cross-entropy with soft labels, the mean over features and the sum over attributes.

        Equation 6 multiplies a row by a transposed row, which is the sum over the attributes, if A holds the
        probabilities of a softmax over two classes each.

        Args:
            logits: (N, L) of all heads side by side.
            labels: (N, 3) or (N, 4) in [0, 1], as `labels`, perhaps mixed.
        """
        logits = logits.float()
        if self.strategy == "multi_class":
            return F.cross_entropy(logits, labels)
        if self.strategy == "triplet_binary":
            # The softmax over two logits is the sigmoid of their difference.
            pairs = logits.unflatten(1, (MOST_ATTRIBUTES, 2))
            logits = pairs[..., 1] - pairs[..., 0]
        return F.binary_cross_entropy_with_logits(logits, labels) * MOST_ATTRIBUTES
