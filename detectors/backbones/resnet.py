"""ResNets (He et al., CVPR 2016) of torchvision, whose bottlenecks halve the map in their 3x3 convolution."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn
from torchvision.models import ResNet, resnet50, resnet101

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
        self.network = type(self).build()
        self.network.fc = nn.Identity()
        if config.inc != self.network.conv1.in_channels:
            first = nn.Conv2d(config.inc, self.network.conv1.out_channels, 7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
            self.network.conv1 = first
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
