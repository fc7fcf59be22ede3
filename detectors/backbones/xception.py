"""Xception (Chollet, CVPR 2017, figure 5), with the tensor names of DeepfakeBench's released weights."""

from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import StagedBackbone, mode_of
from detectors.weights import load_state, read_weights


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
class Xception(StagedBackbone):
    """Xception with a linear head; the first two convolutions are unpadded.

    Names and shapes are those of DeepfakeBench's released `xception_best.pth`. That file also holds `adjust_channel`,
    a layer that this network never calls: it is kept, frozen, so that the file loads strictly. 21.86 M parameters;
    images of 256 pixels give a map of 2048 x 8 x 8, taken before the last ReLU.
    """

    channels = 2048
    stage_channels = (128, 256, 728, 1024)
    last = "last_linear"
    imagenet = "training/pretrained/xception-b5690688.pth"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of("xception", config)
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
        self.conv4 = SeparableConv2d(1536, self.channels)
        self.bn4 = nn.BatchNorm2d(self.channels)
        self.relu = nn.ReLU()
        self.last_linear = nn.Linear(self.channels, config.num_classes)
        self.adjust_channel = nn.Sequential(nn.Conv2d(self.channels, 512, 1), nn.BatchNorm2d(512))
        self.adjust_channel.requires_grad_(False)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, of blocks 1, 2, 11 and 12; each is a sum, without a ReLU."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        maps = []
        for number in range(1, 13):
            x = self.get_submodule(f"block{number}")(x)
            if number in (1, 2, 11, 12):
                maps.append(x)
        return maps

    def features_of_stage(self, last: Tensor) -> Tensor:
        """Feature map (B, 2048, h, w) before the last ReLU, of block 12's: the last two separable convolutions."""
        return self.bn4(self.conv4(self.relu(self.bn3(self.conv3(last)))))

    def pool(self, features: Tensor) -> Tensor:
        """The mean (B, 2048) over the map after the last ReLU."""
        return super().pool(self.relu(features))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): ReLU, mean over the map, dropout if configured, linear layer."""
        return self.last_linear(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read a file in the layout of `xception-b5690688.pth`: 1x1 kernels stored as matrices, classifier `fc`."""
        state, _ = read_weights(path)
        trunk = {
            key: tensor[..., None, None] if key.endswith("pointwise.weight") and tensor.ndim == 2 else tensor
            for key, tensor in state.items()
            if not key.startswith(("fc.", "last_linear."))
        }
        load_state(self, trunk, f"{path} does not fit Xception", keep=("last_linear.", "adjust_channel."))
