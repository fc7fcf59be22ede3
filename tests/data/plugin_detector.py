"""A detector in a file of its own: it sees only what a blur takes away, the fine detail in which forgeries differ."""

from typing import Literal

from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from config.base import Schema
from detectors import DETECTOR
from detectors.base import AbstractDetector, DataDict


class ResidualOptions(Schema):
    """The method's own settings: side of the blur's kernel in pixels."""

    kernel_size: Literal[3, 5, 7] = 5


@DETECTOR.register_module(module_name="residual")
class Residual(AbstractDetector):
    """A binary classifier of the difference between an image and its blurred copy."""

    Options = ResidualOptions
    options: ResidualOptions

    def features(self, data_dict: DataDict) -> Tensor:
        """The backbone's feature map (B, C, h, w) of the residual."""
        image = data_dict["image"]
        return self.backbone.features(image - gaussian_blur(image, self.options.kernel_size))
