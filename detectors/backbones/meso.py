"""Meso-4 and MesoInception-4 (Afchar et al., WIFS 2018), with the tensor names of DeepfakeBench's released weights."""

from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone, mode_of

SIDE = 256
MAP_SIDE = 8
HIDDEN = 16
SLOPE = 0.1  # of the leaky ReLU
DILATIONS = (1, 2, 3)  # of an inception module's three branches of two convolutions


class MesoNet(Backbone):
    """What both networks have in common: a map of 16 x 8 x 8 and two linear layers, so that they take 256 pixels alone.

    `dropout` comes before each of the two layers; the paper's rate is 0.5.

    Convolutions that stand one after the other share a batch norm where they are equally wide. The paper gives each its
    own; the released weights hold no more than these, so that nothing else would load them.

    Attributes:
        title: the network's name in the paper.
    """

    channels = 16
    last = "fc2"
    title: ClassVar[str]

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of(self.title, config)
        self.fc1 = nn.Linear(self.channels * MAP_SIDE**2, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, config.num_classes)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): dropout and a linear layer, leaky ReLU, dropout and a linear layer."""
        hidden = F.leaky_relu(self.fc1(self.dropout(features.flatten(1))), SLOPE)
        return self.fc2(self.dropout(hidden))

    def freeze_classifier(self) -> None:
        """Take both linear layers out of training."""
        super().freeze_classifier()
        self.fc1.requires_grad_(False)

    def _require_side(self, images: Tensor) -> None:
        height, width = images.shape[-2:]
        if (height, width) != (SIDE, SIDE):
            raise InputError(f"resolution: {self.title} takes {SIDE} pixels, not {height} x {width}")


@BACKBONE.register_module(module_name="meso4")
class Meso4(MesoNet):
    """Meso-4: four convolutions; 27,898 parameters; images of 256 pixels give a map of 16 x 8 x 8."""

    title = "Meso-4"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self.conv1 = nn.Conv2d(config.inc, 8, 3, padding=1, bias=False)
        self.conv2, self.conv3, self.conv4 = (_conv5(*widths) for widths in pairwise((8, 8, 16, 16)))
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(16)

    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, 16, 8, 8) of normalised images (B, 3, 256, 256).

        Raises:
            InputError: images of another size.
        """
        self._require_side(images)
        x = _layer(images, self.conv1, self.bn1)
        x = _layer(x, self.conv2, self.bn1)
        x = _layer(x, self.conv3, self.bn2)
        return _layer(x, self.conv4, self.bn2, shrink=4)


@BACKBONE.register_module(module_name="meso4Inception")
class MesoInception4(MesoNet):
    """MesoInception-4: two inception modules and two convolutions; 28,525 parameters; a map of 16 x 8 x 8.

    The paper's modules have a ReLU after each convolution; the public PyTorch code, and with it the network of the
    released weights, has none there.
    """

    title = "MesoInception-4"
    inceptions = ((1, 4, 4, 2), (2, 4, 4, 2))

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        before = config.inc
        for number, widths in enumerate(self.inceptions, start=1):
            self._add_inception(f"Incption{number}", before, widths)
            before = sum(widths)
        self.conv1, self.conv2 = _conv5(before, 16), _conv5(16, 16)
        self.bn1 = nn.BatchNorm2d(16)

    def features(self, images: Tensor) -> Tensor:
        """As for Meso-4."""
        self._require_side(images)
        x = self._inception("Incption1", images)
        x = self._inception("Incption2", x)
        x = _layer(x, self.conv1, self.bn1)
        return _layer(x, self.conv2, self.bn1, shrink=4)

    def _add_inception(self, name: str, before: int, widths: tuple[int, ...]) -> None:
        """A 1x1 convolution, and beside it branches of a 1x1 and a dilated 3x3 convolution each."""
        single, *double = widths
        self.add_module(f"{name}_conv1", nn.Conv2d(before, single, 1, bias=False))
        for branch, (width, dilation) in enumerate(zip(double, DILATIONS, strict=True), start=2):
            self.add_module(f"{name}_conv{branch}_1", nn.Conv2d(before, width, 1, bias=False))
            spread = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
            self.add_module(f"{name}_conv{branch}_2", spread)
        self.add_module(f"{name}_bn", nn.BatchNorm2d(sum(widths)))

    def _inception(self, name: str, x: Tensor) -> Tensor:
        """The branches side by side, normalised, at half the side."""
        layer = self.get_submodule
        maps = [layer(f"{name}_conv1")(x)]
        maps += [layer(f"{name}_conv{branch}_2")(layer(f"{name}_conv{branch}_1")(x)) for branch in (2, 3, 4)]
        return F.max_pool2d(layer(f"{name}_bn")(torch.cat(maps, 1)), 2)


def _conv5(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 5, padding=2, bias=False)


def _layer(x: Tensor, conv: nn.Module, norm: nn.Module, shrink: int = 2) -> Tensor:
    """Convolution, ReLU, batch norm, and the maximum of each square of `shrink` cells."""
    return F.max_pool2d(norm(F.relu(conv(x))), shrink)
