"""Vision Transformers (Dosovitskiy et al., ICLR 2021), to which an image is a sequence of patches."""

from pathlib import Path
from typing import ClassVar

import timm
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone, mode_of
from detectors.weights import load_state, read_weights


class VisionTransformer(Backbone):
    """timm's Vision Transformer, without stochastic depth, with a linear head; `mode` says what the head is given.

    `original`: the class token after the final norm, as in the paper; the feature map is (B, C, 1, 1). This token has
    no place in the image, so that Grad-CAM has nothing to draw. `mean`: the mean of the patches' tokens after the final
    norm; the feature map (B, C, h, w) has a cell for each patch. Both modes have the same tensors.

    The weights are of images of 224 pixels. For another size the position embeddings are resized bicubically, the class
    token's apart.

    Their ImageNet files are timm's `orig_in21k`: the paper's networks as trained on ImageNet-21k, without a classifier.
    Of a ViT-L/32 for 224 pixels timm has no other, and so both networks start alike. They expect (x - 127.5) / 127.5.

    Attributes:
        title: the network's name in the paper.
        architecture: timm's name of it.
        patch: side of a patch in pixels.
    """

    title: ClassVar[str]
    architecture: ClassVar[str]
    patch: ClassVar[int]

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        self.takes_mean = mode_of(self.title, config, "mean") == "mean"
        self.network = timm.create_model(self.architecture, num_classes=0, in_chans=config.inc, dynamic_img_size=True)
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def features(self, images: Tensor) -> Tensor:
        """The class token (B, C, 1, 1), or in mode `mean` the patches' tokens (B, C, H / patch, W / patch).

        Raises:
            InputError: a side that the patch's does not divide.
        """
        height, width = images.shape[-2:]
        if height % self.patch or width % self.patch:
            raise InputError(f"resolution: {self.title} takes multiples of {self.patch} pixels, not {height} x {width}")
        tokens = self.network.forward_features(images)  # type: ignore[operator]
        if not self.takes_mean:
            return tokens[:, 0, :, None, None]
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (height // self.patch, width // self.patch))

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.last_layer(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read one of timm's files for 224 pixels, without its classifier and the layer that older ones have before."""
        state, _ = read_weights(path)
        trunk = {key: tensor for key, tensor in state.items() if not key.startswith(("head.", "pre_logits."))}
        load_state(self.network, trunk, f"{path} does not fit {self.title}")


@BACKBONE.register_module(module_name="vit_b_16")
class ViTB16(VisionTransformer):
    """ViT-B/16: 12 blocks of width 768; 85.8 M parameters; 16 x 16 patches of an image of 256 pixels."""

    title = "ViT-B/16"
    architecture = "vit_base_patch16_224"
    patch = 16
    channels = 768
    imagenet = "training/pretrained/vit_base_patch16_224.orig_in21k.safetensors"


@BACKBONE.register_module(module_name="vit_l_32")
class ViTL32(VisionTransformer):
    """ViT-L/32: 24 blocks of width 1024; 305.5 M parameters; 8 x 8 patches of an image of 256 pixels."""

    title = "ViT-L/32"
    architecture = "vit_large_patch32_224"
    patch = 32
    channels = 1024
    imagenet = "training/pretrained/vit_large_patch32_224.orig_in21k.safetensors"
