"""SRM (Luo et al., CVPR 2021): a stream of colours and one of noise, which attend to each other."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config.base import Schema
from config.schema import DetectorConfig
from detectors import DETECTOR
from detectors.attention import ChannelAttention, SpatialAttention
from detectors.backbones.base import layered
from detectors.base import AbstractDetector, DataDict
from detectors.noise_residuals import FeatureResiduals, ImageResiduals

RATIO = 8  # how many times fewer channels keys have than the maps that they are of


class SRMOptions(Schema):
    """`low_layers` are the backbone's two layers behind which residuals of colours' features join the stream of noise.

    Behind `middle_layers` both streams attend to each other.
    """

    low_layers: tuple[str, str] = ("conv1", "conv2")
    middle_layers: tuple[str, str] = ("block3", "block7")


class ResidualAttention(nn.Module):
    """Where an image's noise says that its low features matter: two convolutions of residuals, and attention to places.

    Args:
        channels: of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.srm = ImageResiduals(channels)
        layers: list[nn.Module] = []
        for before, after, stride in ((3, 32, 2), (32, 64, 1)):
            layers += [nn.Conv2d(before, after, 3, stride, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
        self.conv = nn.Sequential(*layers)
        self.pa = SpatialAttention()

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) as weights (B, 1, h, w) in [0, 1], at half of their size less 3 pixels."""
        return self.pa(self.conv(self.srm(images)))


class DualAttention(nn.Module):
    """Dual cross-modality attention: each of two maps is added what of the other its own places look at.

    Which places look at which is learnt of the scalar products of all keys of one map with all keys of the other, by a
    linear layer over places, so that the maps have one size.

    Args:
        channels: of both maps.
        places: how many cells each has.
    """

    def __init__(self, channels: int, places: int) -> None:
        super().__init__()
        inside = max(1, channels // RATIO)
        self.gamma1 = nn.Parameter(torch.zeros(1))
        self.gamma2 = nn.Parameter(torch.zeros(1))
        self.key_conv1 = nn.Conv2d(channels, inside, 1)
        self.key_conv2 = nn.Conv2d(channels, inside, 1)
        self.key_conv_share = nn.Conv2d(inside, inside, 1)
        self.linear1 = nn.Linear(places, places)
        self.linear2 = nn.Linear(places, places)
        self.value_conv1 = nn.Conv2d(channels, channels, 1)
        self.value_conv2 = nn.Conv2d(channels, channels, 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Two maps (B, channels, h, w) as two of the same shape; at first, with both gammas 0, as they were."""
        keys = [
            self.key_conv_share(conv(maps)).flatten(2)
            for conv, maps in ((self.key_conv1, first), (self.key_conv2, second))
        ]
        products = keys[0].transpose(1, 2) @ keys[1]
        of_first = self.linear1(products).softmax(-1)
        of_second = self.linear2(products.transpose(1, 2)).softmax(-1)
        return (
            first + self.gamma1 * look(of_first, self.value_conv2(second)),
            second + self.gamma2 * look(of_second, self.value_conv1(first)),
        )


def look(attention: Tensor, values: Tensor) -> Tensor:
    """The mean of values (B, C, h, w) over places, for each place by its row of attention (B, h w, h w)."""
    return (values.flatten(2) @ attention.transpose(1, 2)).unflatten(2, values.shape[2:])


class Fusion(nn.Module):
    """Two feature maps as one: a 1x1 convolution of both, whose channels are strengthened by attention to them.

    Args:
        channels: of each.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convblk = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
        )
        self.ca = ChannelAttention(channels)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Maps (B, channels, h, w) as one of that shape."""
        fused = self.convblk(torch.cat([first, second], 1))
        return fused + fused * self.ca(fused)


@DETECTOR.register_module(module_name="srm")
class SRM(AbstractDetector):
    """SRM (Luo et al., CVPR 2021): two networks, of an image and of its high-pass residuals, fused before their head.

    Residuals of the stream of colours' low features join the stream of noise at two scales. Attention to places, made
    of the image's residuals, strengthens the low features of colours. Dual cross-modality attention joins both streams
    twice in the middle, and the maps at the end are fused under attention to channels.

    Names and shapes are those of DeepfakeBench's released `srm_best.pth`; where they leave the order of operations
    open, it is the paper's, and whether that file's scores are DeepfakeBench's has not been measured. The file brings
    kernels of its own. Its `blur`, which the paper has not, and the second network's head are kept, frozen, so that it
    loads strictly. A linear layer over places binds the weights to one resolution. The paper trains with AM-softmax,
    and DeepfakeBench's YAML, as here, with cross-entropy. The paper's figures are AUCs from each manipulation of
    FaceForensics++ to the others and to other sets; DeepfakeBench's are those of frames after training on all of
    FaceForensics++ c23.

    `feat` is the fused map. The backbone must be one that can be entered between its layers.
    """

    Options = SRMOptions
    light = ("options.low_layers=[stem, stage0]", "options.middle_layers=[stage3, stage4]")
    options: SRMOptions

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        colours = self.backbone
        # The public name. As `backbone` it is known beside, but not among the modules, which would have it twice.
        del self.backbone
        self.backbone_rgb = self.__dict__["backbone"] = colours
        self.backbone_srm = self.build_backbone(config)
        self.backbone_srm.freeze_classifier()
        layers = (*self.options.low_layers, *self.options.middle_layers)
        first, second, *middle = layered(colours).shapes_at(layers, config.resolution)
        inputs = config.backbone_config.inc
        self.blur = nn.Conv2d(inputs, inputs, 7, padding=3, groups=inputs, bias=False).requires_grad_(False)
        self.srm_conv0 = ImageResiduals(inputs)
        self.srm_conv1 = FeatureResiduals(first[0], first[0])
        self.srm_conv2 = FeatureResiduals(second[0], second[0])
        self.srm_sa = ResidualAttention(inputs)
        self.srm_sa_post = nn.Sequential(nn.BatchNorm2d(second[0]), nn.ReLU())
        for number, (channels, height, width) in enumerate(middle):
            self.add_module(f"dual_cma{number}", DualAttention(channels, height * width))
        self.fusion = Fusion(colours.channels)

    def features(self, data_dict: DataDict) -> Tensor:
        """The fused feature map (B, C, h, w)."""
        colours, noise = self._low(data_dict["image"])
        after = self.options.low_layers[-1]
        for number, to in enumerate(self.options.middle_layers):
            colours, noise = self._through(colours, noise, after, to)
            colours, noise = self.get_submodule(f"dual_cma{number}")(colours, noise)
            after = to
        return self.fusion(*self._through(colours, noise, after))

    def _through(
        self, colours: Tensor, noise: Tensor, after: str | None, to: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the same layers of each network make of its map."""
        networks = layered(self.backbone_rgb), layered(self.backbone_srm)
        return networks[0].through(colours, after, to), networks[1].through(noise, after, to)

    def _low(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of both streams behind the low layers."""
        after: str | None = None
        colours, noise = images, self.srm_conv0(images)
        for to, residuals in zip(self.options.low_layers, (self.srm_conv1, self.srm_conv2), strict=True):
            colours, noise = self._through(colours, noise, after, to)
            noise = F.relu(noise + residuals(colours))
            after = to
        places = self.srm_sa(images)
        if places.shape[-2:] != colours.shape[-2:]:
            places = F.interpolate(places, colours.shape[-2:], mode="bilinear", align_corners=False)
        return self.srm_sa_post(colours + colours * places), noise
