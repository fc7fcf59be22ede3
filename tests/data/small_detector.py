"""A network of one convolution, for runs in which the network does not matter."""

from torch import Tensor, nn

from detectors import BACKBONE, DETECTOR
from detectors.backbones.base import Backbone
from detectors.base import AbstractDetector


@BACKBONE.register_module(module_name="small")
class SmallBackbone(Backbone):
    """One convolution and one linear layer."""

    def __init__(self, config) -> None:
        super().__init__(config)
        self.layer = nn.Conv2d(3, 8, 5, 4)
        self.head = nn.Linear(8, config.num_classes)

    def features(self, images: Tensor) -> Tensor:
        """The feature map (B, 8, h, w)."""
        return self.layer(images).relu()

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 2)."""
        return self.head(self.pool(features))


@DETECTOR.register_module(module_name="small")
class Small(AbstractDetector):
    """A binary classifier."""
