"""Xception (Chollet, CVPR 2017, figure 5), with the tensor names of DeepfakeBench's released weights."""

from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import LayeredBackbone, for_inputs, mode_of
from detectors.weights import load_state, read_weights

ADJUSTED = "adjust_channel"


class SeparableConv2d(nn.Module):
    """A 3x3 convolution of each channel on its own, then a 1x1 convolution across channels; nothing between them."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) to (B, out_channels, h, w)."""
        return self.pointwise(self.conv1(x))


class Block(nn.Module):
    """A module of figure 5: separable convolutions, each after a ReLU and before a batch norm, beside a skip.

    Args:
        widths: channels before the first convolution and after each one.
        stride: 2 ends the module with a max pooling that halves the map.
        leading_relu: False where the input has just passed a ReLU.
    """

    def __init__(self, widths: tuple[int, ...], stride: int = 1, leading_relu: bool = True) -> None:
        super().__init__()
        self.skip, self.skipbn = None, None
        if widths[0] != widths[-1] or stride > 1:
            self.skip = nn.Conv2d(widths[0], widths[-1], 1, stride=stride, bias=False)
            self.skipbn = nn.BatchNorm2d(widths[-1])
        layers: list[nn.Module] = []
        for position, (before, after) in enumerate(pairwise(widths)):
            # The first ReLU must not write into the input, which the skip reads as well.
            layers.append(nn.ReLU(inplace=position > 0))
            layers += [SeparableConv2d(before, after), nn.BatchNorm2d(after)]
        if stride > 1:
            layers.append(nn.MaxPool2d(3, stride, padding=1))
        self.rep = nn.Sequential(*layers[0 if leading_relu else 1 :])

    def forward(self, x: Tensor) -> Tensor:
        """(B, widths[0], h, w) to (B, widths[-1], h / stride, w / stride)."""
        shortcut = x if self.skip is None or self.skipbn is None else self.skipbn(self.skip(x))
        return self.rep(x) + shortcut


@BACKBONE.register_module(module_name="xception")
class Xception(LayeredBackbone):
    """Xception with a linear head; the first two convolutions are unpadded.

    Names and shapes are those of DeepfakeBench's released `xception_best.pth`. That file also holds `adjust_channel`,
    a layer that the network calls in the mode of this name alone: else it is kept, frozen, so that the file loads
    strictly. 21.86 M parameters; images of 256 pixels give a map of 2048 x 8 x 8, taken before the last ReLU, or with
    `adjust_channel` of 512 x 8 x 8 after one, for methods with a head of their own. With a dropout the last layer's
    tensors are `last_linear.1.*`, as in the public files.
    """

    channels = 2048
    stage_channels = (128, 256, 728, 1024)
    layers = ("conv1", "conv2", *(f"block{number}" for number in range(1, 13)), "conv3", "conv4")
    last = "last_linear"
    imagenet = "training/pretrained/xception-b5690688.pth"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self.is_adjusted = mode_of("xception", config, ADJUSTED) == ADJUSTED
        self.conv1 = nn.Conv2d(config.inc, 32, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 64, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.block1 = Block((64, 128, 128), stride=2, leading_relu=False)
        self.block2 = Block((128, 256, 256), stride=2)
        self.block3 = Block((256, 728, 728), stride=2)
        for number in range(4, 12):
            self.add_module(f"block{number}", Block((728, 728, 728, 728)))
        self.block12 = Block((728, 728, 1024), stride=2)
        self.conv3 = SeparableConv2d(1024, 1536)
        self.bn3 = nn.BatchNorm2d(1536)
        self.conv4 = SeparableConv2d(1536, 2048)
        self.bn4 = nn.BatchNorm2d(2048)
        self.relu = nn.ReLU()
        linear = nn.Linear(2048, config.num_classes)
        self.last_linear = nn.Sequential(self.dropout, linear) if config.dropout else linear
        self.adjust_channel = nn.Sequential(nn.Conv2d(2048, 512, 1), nn.BatchNorm2d(512))
        self.adjust_channel.requires_grad_(self.is_adjusted)
        if self.is_adjusted:
            self.channels = 512

    def layer(self, name: str, maps: Tensor) -> Tensor:
        """A module of figure 5, or a convolution with its batch norm and, unless it is the last, its ReLU."""
        module = self.get_submodule(name)
        if name.startswith("block"):
            return module(maps)
        normed = self.get_submodule(name.replace("conv", "bn"))(module(maps))
        return normed if name == self.layers[-1] else self.relu(normed)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, of blocks 1, 2, 11 and 12; each is a sum, without a ReLU."""
        maps = [self.through(images, to="block1")]
        for after, to in (("block1", "block2"), ("block2", "block11"), ("block11", "block12")):
            maps.append(self.through(maps[-1], after, to))
        return maps

    def features_of_stage(self, last: Tensor) -> Tensor:
        """Feature map (B, C, h, w) of block 12's: the last two separable convolutions, and what the mode adds."""
        features = self.through(last, after="block12")
        return self.relu(self.adjust_channel(features)) if self.is_adjusted else features

    def pool(self, features: Tensor) -> Tensor:
        """The mean (B, C) over the map after the last ReLU."""
        return super().pool(self.relu(features))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): ReLU, mean over the map, dropout if configured, linear layer.

        Raises:
            InputError: the map has been adjusted, which the linear layer does not take.
        """
        if self.is_adjusted:
            raise InputError(f"backbone_config.mode: {ADJUSTED} is for methods with a head of their own; use original")
        return self.last_linear(self.pool(features))

    def load_imagenet(self, path: Path) -> None:
        """Read a file in the layout of `xception-b5690688.pth`: 1x1 kernels stored as matrices, classifier `fc`."""
        state, _ = read_weights(path)
        trunk = {
            key: tensor[..., None, None] if key.endswith("pointwise.weight") and tensor.ndim == 2 else tensor
            for key, tensor in state.items()
            if not key.startswith(("fc.", "last_linear."))
        }
        if "conv1.weight" in trunk:
            trunk["conv1.weight"] = for_inputs(trunk["conv1.weight"], self.conv1.in_channels)
        load_state(self, trunk, f"{path} does not fit Xception", keep=("last_linear.", "adjust_channel.", "fc."))


class ImageNetXception(Xception):
    """Xception with the head `fc` for ImageNet's 1000 classes, for a method whose public weights have it unused."""

    last = "fc"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        del self.last_linear, self.adjust_channel
        self.fc = nn.Linear(self.channels, 1000)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, 1000): ReLU, mean over the map, dropout if configured, linear layer."""
        return self.fc(self.dropout(self.pool(features)))
