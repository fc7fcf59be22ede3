"""ResNets (He et al., CVPR 2016) of torchvision; bottlenecks halve the map in their 3x3 convolution."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn
from torchvision.models import ResNet, resnet34, resnet50, resnet101

from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import StagedBackbone, mode_of
from detectors.weights import load_state, read_weights


class ResNetBackbone(StagedBackbone):
    """A ResNet of torchvision with an own head; the feature map is the last stage's.

    Attributes:
        title: the network's name in the paper.
        build: torchvision's function that makes it.
    """

    title: ClassVar[str]
    build: ClassVar[Callable[[], ResNet]]
    channels = 2048
    stage_channels = (256, 512, 1024, 2048)

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of(self.title, config)
        self.network = _of_channels(config.inc, type(self).build())
        self.network.fc = nn.Identity()
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, after the last ReLU there."""
        network = self.network
        x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        maps = []
        for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.last_layer(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read one of torchvision's files (`resnet50-0676ba61.pth`), without its classifier."""
        state, _ = read_weights(path)
        trunk = {key: tensor for key, tensor in state.items() if not key.startswith("fc.")}
        load_state(self.network, trunk, f"{path} does not fit {self.title}")


@BACKBONE.register_module(module_name="resnet50")
class ResNet50(ResNetBackbone):
    """ResNet-50: 23.5 M parameters; images of 256 pixels give a map of 2048 x 8 x 8."""

    title = "ResNet-50"
    build = staticmethod(resnet50)
    imagenet = "training/pretrained/resnet50-0676ba61.pth"


@BACKBONE.register_module(module_name="resnet101")
class ResNet101(ResNetBackbone):
    """ResNet-101: 42.5 M parameters; images of 256 pixels give a map of 2048 x 8 x 8."""

    title = "ResNet-101"
    build = staticmethod(resnet101)
    imagenet = "training/pretrained/resnet101-63fe2227.pth"


@BACKBONE.register_module(module_name="resnet34")
class ResNet34(StagedBackbone):
    """ResNet-34 with a linear head: 21.3 M parameters; images of 256 pixels give a map of 512 x 8 x 8.

    Names and shapes are those of DeepfakeBench's released `cnnaug_best.pth`: torchvision's modules by their number.
    """

    channels = 512
    stage_channels = (64, 128, 256, 512)
    last = "fc"
    imagenet = "training/pretrained/resnet34-b627a593.pth"
    numbers: ClassVar[Mapping[str, str]] = {
        "conv1": "0",
        "bn1": "1",
        "layer1": "4",
        "layer2": "5",
        "layer3": "6",
        "layer4": "7",
    }

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of("ResNet-34", config)
        *trunk, _pool, _classifier = _of_channels(config.inc, resnet34()).children()
        self.resnet = nn.Sequential(*trunk)
        self.fc = nn.Linear(self.channels, config.num_classes)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, after the last ReLU there."""
        x = self.resnet[:4](images)
        maps = []
        for stage in self.resnet[4:]:
            x = stage(x)
            maps.append(x)
        return maps

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.fc(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read torchvision's file (`resnet34-b627a593.pth`), without its classifier."""
        state, _ = read_weights(path)
        trunk = {}
        for key, tensor in state.items():
            first, dot, rest = key.partition(".")
            if first != "fc":
                trunk[self.numbers.get(first, first) + dot + rest] = tensor
        load_state(self.resnet, trunk, f"{path} does not fit ResNet-34")


def _of_channels(number: int, network: ResNet) -> ResNet:
    """A ResNet for images of so many channels; for other than 3 with a new first convolution."""
    if number != network.conv1.in_channels:
        first = nn.Conv2d(number, network.conv1.out_channels, 7, stride=2, padding=3, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
        network.conv1 = first
    return network
