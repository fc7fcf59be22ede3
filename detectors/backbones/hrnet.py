"""HRNet (Wang et al., TPAMI 2021), which keeps a map at a quarter of the image's side from beginning to end."""

from pathlib import Path

import timm
from torch import Tensor, nn

from config.errors import InputError
from config.schema import BackboneConfig
from detectors import BACKBONE
from detectors.backbones.base import Backbone, mode_of
from detectors.pyramid import joined
from detectors.weights import load_state, read_weights

HEAD = ("incre_modules", "downsamp_modules", "final_layer", "fc")
"""Parts of the head for ImageNet, which brings the resolutions down to the coarsest."""


@BACKBONE.register_module(module_name="hrnet")
class HRNet(Backbone):
    """timm's `hrnet_w48` up to its last stage, and the four resolutions of that stage joined at the finest (HRNetV2).

    65.3 M parameters; images of 256 pixels give a map of 720 x 64 x 64. The network's own head for ImageNet, which
    brings the resolutions down to the coarsest, is left out.
    """

    channels = 720
    pyramid_channels = (48, 96, 192, 384)
    imagenet = "training/pretrained/hrnetv2_w48_imagenet_pretrained.pth"

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__(config)
        mode_of("hrnet", config)
        self.build_network(config)

    def build_network(self, config: BackboneConfig) -> None:
        """The network and the last layer."""
        self.network = timm.create_model(
            "hrnet_w48", features_only=True, feature_location="", out_indices=(1, 2, 3, 4), in_chans=config.inc
        )
        self.last_layer = nn.Linear(self.channels, config.num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Feature map (B, 720, H / 4, W / 4): the pyramid's maps, brought to the finest bilinearly and joined."""
        return joined(self.pyramid(images))

    def pyramid(self, images: Tensor) -> list[Tensor]:
        """Maps at strides 4, 8, 16 and 32, of the last stage.

        Raises:
            InputError: a side that 32 does not divide, so that the resolutions would not fit each other.
        """
        height, width = images.shape[-2:]
        if height % 32 or width % 32:
            raise InputError(f"resolution: hrnet takes multiples of 32 pixels, not {height} x {width}")
        return self.network(images)

    def classifier(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes): mean over the map, dropout if configured, linear layer."""
        return self.last_layer(self.dropout(self.pool(features)))

    def load_imagenet(self, path: Path) -> None:
        """Read the authors' ImageNet file (`hrnetv2_w48_imagenet_pretrained.pth`) or timm's, without its head."""
        head = {*HEAD, "classifier"}
        state, _ = read_weights(path)
        trunk = {key: tensor for key, tensor in state.items() if key.partition(".")[0] not in head}
        load_state(self.network, trunk, f"{path} does not fit HRNet-W48")


class WholeHRNet(HRNet):
    """HRNet-W48 with its head for ImageNet, under the names of its authors' file; for methods that keep it in theirs.

    The head is frozen and never called. 77.5 M parameters.
    """

    def build_network(self, config: BackboneConfig) -> None:
        """The network as timm has it, whose parts become this module's own."""
        network = timm.create_model("hrnet_w48", in_chans=config.inc)
        for name, part in network.named_children():
            self.add_module("fc" if name == "classifier" else name, part)
        self.freeze_classifier()
        network.add_module("incre_modules", None)  # so that its last stage is the end
        # Known, for how its parts are joined, but not among the modules, which would have each part twice.
        self.__dict__["network"] = network.forward_features

    def freeze_classifier(self) -> None:
        """Take the head for ImageNet out of training."""
        for name in HEAD:
            self.get_submodule(name).requires_grad_(False)

    def classifier(self, features: Tensor) -> Tensor:
        """Refused.

        Raises:
            InputError: always; its head tells the classes of ImageNet apart.
        """
        raise InputError("backbone_name: this HRNet's head is ImageNet's, so that it is for methods with their own")

    def load_imagenet(self, path: Path) -> None:
        """Read the authors' ImageNet file (`hrnetv2_w48_imagenet_pretrained.pth`) or timm's, all of it."""
        state, _ = read_weights(path)
        named = {key.replace("classifier.", "fc."): tensor for key, tensor in state.items()}
        load_state(self, named, f"{path} does not fit HRNet-W48")
