"""What every backbone offers to a detector."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config.errors import InputError, unknown
from config.schema import BackboneConfig
from detectors.weights import weights_sha256

log = logging.getLogger(__name__)

IMAGENET = "imagenet"
"""What the key `pretrained` says for the backbone's own ImageNet file."""


class Backbone(nn.Module, ABC):
    """A network with a feature map and a linear head, as in DeepfakeBench: `features(x)`, `classifier(feature)`.

    Attributes:
        channels: number of channels C of the feature map, set by each backbone.
        last: name of the linear layer that `classifier` ends in.
        imagenet: its own ImageNet file, in DeepfakeBench's folder below the working folder; None if it has none there.
        initialisation: what the weights started from, for the record of a run.
    """

    channels: int
    last: ClassVar[str] = "last_layer"
    imagenet: ClassVar[str | None] = None

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.initialisation = "random"
        self.dropout = _dropout(config)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, C, h, w) of normalised images (B, 3, H, W)."""

    def map_side(self, resolution: int) -> int:
        """Height and width of the feature map of images of resolution x resolution pixels, by trying it."""
        first = next(parameter for parameter in self.parameters() if parameter.ndim == 4)
        was_training = self.training
        self.eval()
        with torch.no_grad():
            side = self.features(torch.zeros(1, first.shape[1], resolution, resolution)).shape[-1]
        self.train(was_training)
        return side

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Number of channels of each map of `stages`.

        Raises:
            InputError: this backbone has no such stages.
        """
        raise self._not_in_stages()

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) of images (B, 3, H, W) at strides 4, 8, 16 and 32, each of the last block at its stride.

        Raises:
            InputError: this backbone has no such stages.
        """
        raise self._not_in_stages()

    def features_of_stage(self, last: Tensor) -> Tensor:
        """The feature map that `features` gives, from the last map of `stages`: by default that map itself."""
        return last

    @property
    def pyramid_channels(self) -> tuple[int, ...]:
        """Number of channels of each map of `pyramid`."""
        return (self.channels,)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) of images (B, 3, H, W), from fine to coarse: at strides 4, 8, 16 and 32 if there are such.

        By default the feature map alone.
        """
        return [self.features(images)]

    def pool(self, features: Tensor) -> Tensor:
        """The mean (B, C) over a feature map (B, C, h, w)."""
        return F.adaptive_avg_pool2d(features, 1).flatten(1)

    @abstractmethod
    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes) of a feature map (B, C, h, w)."""

    def freeze_classifier(self) -> None:
        """Take the last layer out of training, for a method that classifies by a head of its own."""
        self.get_submodule(self.last).requires_grad_(False)

    def freeze_after_stages(self) -> None:
        """Take what comes after the last of `stages` out of training, for a method that classifies from those maps."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        channels = next(parameter.shape[1] for parameter in trained if parameter.ndim == 4)
        was_training = self.training
        self.eval()
        with torch.enable_grad():
            maps = self.stages(torch.zeros(1, channels, 64, 64))
            reached = torch.autograd.grad([one.sum() for one in maps], trained, allow_unused=True)
        self.train(was_training)
        for parameter, gradient in zip(trained, reached, strict=True):
            parameter.requires_grad_(gradient is not None)

    @classmethod
    def imagenet_file(cls, source: str | Path) -> Path:
        """The file that the key `pretrained` stands for: `imagenet` or a path; the file need not be there.

        Raises:
            InputError: another word, or `imagenet` for a backbone that has no such file.
        """
        if source == IMAGENET:
            if cls.imagenet is None:
                raise InputError(f"pretrained: {cls.__name__} has no ImageNet file of its own, so give a path or null")
            return Path(cls.imagenet)
        path = Path(source)
        if path.name == str(source) and not path.suffix:
            raise InputError(f"pretrained: expected '{IMAGENET}', the path of a weights file or null, not '{source}'")
        return path

    def initialise(self, source: str | Path) -> None:
        """Start from an ImageNet file, given as the key `pretrained`; without the file, stay random and say so.

        A missing file is no error, because it is not needed to evaluate trained weights, and because DeepfakeBench's
        configurations name files that only its own set-up puts there.

        Raises:
            InputError: the file is there but is not of this network, or as for `imagenet_file`.
        """
        path = self.imagenet_file(source)
        if not path.is_file():
            log.warning("no ImageNet weights at %s: the network starts from random weights", path)
            return
        self.load_imagenet(path)
        self.initialisation = f"ImageNet, {path.name}, sha256 {weights_sha256(path)}"

    def load_imagenet(self, path: Path) -> None:
        """Read the ImageNet file of this network; a backbone without one leaves this as it is.

        Raises:
            InputError: the file is of another network, or this backbone reads none.
        """
        raise InputError(f"pretrained: {type(self).__name__} starts from no ImageNet file, so {path} cannot be used")

    def _not_in_stages(self) -> InputError:
        return InputError(
            "backbone_name: expected a network with stages at strides 4 to 32, such as efficientnetb4_standard or "
            f"resnet50, not {type(self).__name__}"
        )


class StagedBackbone(Backbone):
    """A backbone that is one sequence of stages, each at half the resolution of the one before.

    Attributes:
        stage_channels: number of channels of each map of `stages`, set by each backbone.
    """

    stage_channels: tuple[int, ...]

    @abstractmethod
    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) of images (B, 3, H, W) at strides 4, 8, 16 and 32, each of the last block at its stride."""

    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, C, h, w) of normalised images (B, 3, H, W), at stride 32."""
        return self.features_of_stage(self.stages(images)[-1])

    @property
    def pyramid_channels(self) -> tuple[int, ...]:
        """Number of channels of each map of `pyramid`."""
        return (*self.stage_channels[:-1], self.channels)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """The maps of the stages at strides 4, 8 and 16, and the feature map."""
        *finer, last = self.stages(images)
        return [*finer, self.features_of_stage(last)]


class LayeredBackbone(StagedBackbone):
    """A staged backbone whose features can be taken a part at a time, by a method that works between its layers.

    Attributes:
        layers: names of its parts in order; the feature map is what all of them make of an image, one after the other.
    """

    layers: ClassVar[tuple[str, ...]]

    @abstractmethod
    def layer(self, name: str, maps: Tensor) -> Tensor:
        """What one of `layers` makes of the map (B, C, h, w) that the one before it gave; the first takes images."""

    def through(self, maps: Tensor, after: str | None = None, to: str | None = None) -> Tensor:
        """What the layers behind `after` and up to `to` make of a map.

        Args:
            maps: (B, C, h, w) as `after` gives it; images (B, 3, H, W) if that is None.
            after: the layer that they follow; None begins with the first.
            to: the last of them; None ends with the feature map.

        Raises:
            InputError: no such layers.
        """
        first = 0 if after is None else self._number(after) + 1
        last = len(self.layers) if to is None else self._number(to) + 1
        for name in self.layers[first:last]:
            maps = self.layer(name, maps)
        return maps

    def shapes_at(self, names: Sequence[str], resolution: int) -> list[tuple[int, int, int]]:
        """(C, h, w) of the maps of layers for images of resolution x resolution pixels, by trying it.

        Args:
            names: of layers, in their order; one may stand there again.
            resolution: in pixels.

        Raises:
            InputError: no such layers, or in another order.
        """
        numbers = [self._number(name) for name in names]
        if numbers != sorted(numbers):
            raise InputError(f"layers: expected in the order of {', '.join(self.layers)}, not {', '.join(names)}")
        first = next(parameter for parameter in self.parameters() if parameter.ndim == 4)
        maps = torch.zeros(1, first.shape[1], resolution, resolution)
        shapes: list[tuple[int, int, int]] = []
        was_training = self.training
        self.eval()
        with torch.no_grad():
            for before, name in zip([None, *names], names, strict=False):
                maps = self.through(maps, before, name)
                shapes.append((maps.shape[1], maps.shape[2], maps.shape[3]))
        self.train(was_training)
        return shapes

    def _number(self, name: str) -> int:
        if name not in self.layers:
            raise unknown(f"layer of {type(self).__name__}", name, self.layers)
        return self.layers.index(name)


def layered(backbone: Backbone) -> LayeredBackbone:
    """The backbone itself, for a method that works between its layers.

    Raises:
        InputError: it has no layers to work between.
    """
    if not isinstance(backbone, LayeredBackbone):
        raise InputError(
            "backbone_name: expected a network that can be entered between its layers, xception or "
            f"efficientnet_lite0, not {type(backbone).__name__}"
        )
    return backbone


def mode_of(backbone: str, config: BackboneConfig, *others: str) -> str:
    """The `mode` of `backbone_config`, in small letters.

    Args:
        backbone: the network's name.
        config: where the mode is.
        others: the modes that the network has beside `original`.

    Raises:
        InputError: it has no such mode.
    """
    mode, modes = config.mode.casefold(), ("original", *others)
    if mode not in modes:
        raise unknown(f"backbone_config.mode of {backbone}", config.mode, modes)
    return mode


def _dropout(config: BackboneConfig) -> nn.Module:
    if config.dropout is True:
        raise InputError("backbone_config.dropout: expected a rate between 0 and 1, or false; not true")
    return nn.Dropout(config.dropout) if config.dropout else nn.Identity()


def for_inputs(kernels: Tensor, inputs: int) -> Tensor:
    """Kernels (C, 3, h, w) of colours for another number of input channels, so that ImageNet weights serve these too.

    The three are repeated in turn, at 3 / inputs of their size: of several images side by side the mean counts.
    """
    repeated = kernels.repeat(1, -(-inputs // kernels.shape[1]), 1, 1)[:, :inputs]
    return repeated * (kernels.shape[1] / inputs)
