"""EfficientNet-B4 (Tan and Le, ICML 2019), as DeepfakeBench builds it and as it was published."""

from pathlib import Path
from typing import ClassVar

from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn

from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone, mode_of
from detectors.weights import load_state, read_weights


@BACKBONE.register_module(module_name="efficientnetb4")
class EfficientNetB4(Backbone):
    """EfficientNet-B4 of efficientnet-pytorch as DeepfakeBench has it, with a plain first convolution and an own head.

    Names, shapes and padding are those of DeepfakeBench's released `effnb4_best.pth`: the first convolution has no
    padding; every other one keeps the package's padding, fixed for an input of 380 pixels at any resolution. 17.55 M
    parameters; images of 256 pixels give a map of 1792 x 8 x 8. Stochastic depth draws from torch's global generator.

    Attributes:
        has_plain_stem: whether the first convolution is DeepfakeBench's, without padding and from random weights.
    """

    channels = 1792
    pyramid_channels = (32, 56, 160, 1792)
    imagenet = "training/pretrained/efficientnet-b4-6ed6700e.pth"
    has_plain_stem: ClassVar[bool] = True

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of("efficientnetb4", config)
        self.efficientnet = EfficientNet.from_name("efficientnet-b4", in_channels=config.inc, include_top=False)
        if self.has_plain_stem:
            width = self.efficientnet._conv_stem.out_channels
            self.efficientnet._conv_stem = nn.Conv2d(config.inc, width, kernel_size=3, stride=2, bias=False)
        for module in self.efficientnet.modules():
            if hasattr(module, "_swish"):
                # torch's fused swish: the same function and memory, a fifth of the time of the package's own.
                module._swish = nn.SiLU()
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, 1792, h, w) after the last activation."""
        return self.efficientnet.extract_features(images)

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Maps at strides 4, 8 and 16, of the last blocks there, and the feature map."""
        ends = self.efficientnet.extract_endpoints(images)
        return [ends[f"reduction_{number}"] for number in (2, 3, 4, 6)]

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.last_layer(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read a file in efficientnet-pytorch's layout (`efficientnet-b4-6ed6700e.pth`), without its classifier.

        A plain first convolution is left out too, as in DeepfakeBench, whose results rest on a random one.
        """
        state, _ = read_weights(path)
        own = ("_conv_stem.",) if self.has_plain_stem else ()
        trunk = {key: tensor for key, tensor in state.items() if not key.startswith((*own, "_fc."))}
        load_state(self.efficientnet, trunk, f"{path} does not fit EfficientNet-B4", keep=own)


@BACKBONE.register_module(module_name="efficientnetb4_standard")
class StandardEfficientNetB4(EfficientNetB4):
    """EfficientNet-B4 as published, and as SBI trains it: its first convolution is padded and pretrained as well.

    Names and shapes of the weights are those of `efficientnetb4`.
    """

    has_plain_stem = False
