"""EfficientNets (Tan and Le, ICML 2019): B1 and B4 as published, and B4 as DeepfakeBench builds it."""

from pathlib import Path
from typing import ClassVar

from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn

from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import StagedBackbone, for_inputs, mode_of
from detectors.weights import load_state, read_weights


class EfficientNetBackbone(StagedBackbone):
    """An EfficientNet of efficientnet-pytorch with an own head.

    Every convolution keeps the package's padding, fixed for an input of the network's own size at any resolution.
    Stochastic depth draws from torch's global generator.

    Attributes:
        title: the network's name in the paper.
        architecture: the package's name of it.
        has_plain_stem: whether the first convolution is DeepfakeBench's, without padding and from random weights.
    """

    title: ClassVar[str]
    architecture: ClassVar[str]
    has_plain_stem: ClassVar[bool] = False

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of(self.title, config)
        self.efficientnet = EfficientNet.from_name(self.architecture, in_channels=config.inc, include_top=False)
        if self.has_plain_stem:
            width = self.efficientnet._conv_stem.out_channels
            self.efficientnet._conv_stem = nn.Conv2d(config.inc, width, kernel_size=3, stride=2, bias=False)
        for module in self.efficientnet.modules():
            if hasattr(module, "_swish"):
                # torch's fused swish: the same function and memory, a fifth of the time of the package's own.
                module._swish = nn.SiLU()
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, of the last blocks there."""
        network = self.efficientnet
        x = network._swish(network._bn0(network._conv_stem(images)))
        maps = []
        for number, block in enumerate(network._blocks):
            if block._depthwise_conv.stride[0] > 1:
                maps.append(x)
            # As the package has it: the deeper the block, the likelier it is skipped in training.
            x = block(x, drop_connect_rate=network._global_params.drop_connect_rate * (number / len(network._blocks)))
        return [*maps[1:], x]  # the first is at stride 2

    def features_of_stage(self, last: Tensor) -> Tensor:
        """Feature map (B, C, h, w) after the last activation, of the last block's: the last convolution."""
        network = self.efficientnet
        return network._swish(network._bn1(network._conv_head(last)))

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
        if "_conv_stem.weight" in trunk:
            trunk["_conv_stem.weight"] = for_inputs(
                trunk["_conv_stem.weight"], self.efficientnet._conv_stem.in_channels
            )
        load_state(self.efficientnet, trunk, f"{path} does not fit {self.title}", keep=own)


@BACKBONE.register_module(module_name="efficientnetb1")
class EfficientNetB1(EfficientNetBackbone):
    """EfficientNet-B1 as published: 6.5 M parameters; images of 256 pixels give a map of 1280 x 8 x 8.

    Its padding is that for an input of 240 pixels.
    """

    title = "EfficientNet-B1"
    architecture = "efficientnet-b1"
    channels = 1280
    stage_channels = (24, 40, 112, 320)
    imagenet = "training/pretrained/efficientnet-b1-f1951068.pth"


@BACKBONE.register_module(module_name="efficientnetb4")
class EfficientNetB4(EfficientNetBackbone):
    """EfficientNet-B4 of efficientnet-pytorch as DeepfakeBench has it, with a plain first convolution and an own head.

    Names, shapes and padding are those of DeepfakeBench's released `effnb4_best.pth`: the first convolution has no
    padding; every other one keeps the package's padding for an input of 380 pixels. 17.55 M parameters; images of 256
    pixels give a map of 1792 x 8 x 8.
    """

    title = "EfficientNet-B4"
    architecture = "efficientnet-b4"
    channels = 1792
    stage_channels = (32, 56, 160, 448)
    imagenet = "training/pretrained/efficientnet-b4-6ed6700e.pth"
    has_plain_stem = True


@BACKBONE.register_module(module_name="efficientnetb4_standard")
class StandardEfficientNetB4(EfficientNetB4):
    """EfficientNet-B4 as published, and as SBI trains it: its first convolution is padded and pretrained as well.

    Names and shapes of the weights are those of `efficientnetb4`.
    """

    has_plain_stem = False
