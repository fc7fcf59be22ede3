"""RECCE's network: an encoder, a decoder that reconstructs faces from its middle, and a head behind its end."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from config.base import Schema
from detectors.backbones.base import LayeredBackbone
from detectors.backbones.xception import Block, SeparableConv2d
from detectors.recce.reasoning import GuidedAttention, MultiScaleReasoning

DECODER = (256, 128, 64)  # channels after each doubling of the map's side


class Layers(Schema):
    """The encoder's layers behind which something happens.

    The decoder starts from the map of `decode`; behind `reason` what it found is joined to the map, and behind `attend`
    the reconstruction's error guides attention. The maps of `decode` and `reason` have one size.
    """

    decode: str = "block4"
    reason: str = "block7"
    attend: str = "block8"


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What the decoder makes of a batch.

    Attributes:
        images: (B, 3, H, W) in [-1, 1], of the size of the images that were encoded.
        maps: the encoder's map that it starts from, and the decoder's at two and four times its side.
    """

    images: Tensor
    maps: tuple[Tensor, Tensor, Tensor]


class Recce(nn.Module):
    """The trained network, under the public names.

    Args:
        encoder: a network that can be entered between its layers.
        layers: where.
        resolution: side of the images, in pixels.
        colours: channels of an image.
        num_classes: number of logits.
        dropout: rate of all dropouts.
    """

    def __init__(
        self,
        encoder: LayeredBackbone,
        layers: Layers,
        resolution: int,
        colours: int,
        num_classes: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder, self.layers = encoder, layers
        shapes = encoder.shapes_at([layers.decode, layers.reason, layers.attend], resolution)
        start, reasoned, attended = (shape[0] for shape in shapes)
        coarse, middle, fine = DECODER
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(encoder.channels, num_classes)
        self.attention = GuidedAttention(attended, colours, dropout)
        self.reasoning = MultiScaleReasoning(reasoned, (coarse, middle), (2, 4), dropout)
        self.decoder1 = _doubling(start, coarse)
        self.decoder2 = Block((coarse,) * 4)
        self.decoder3 = _doubling(coarse, middle)
        self.decoder4 = Block((middle,) * 4)
        self.decoder5 = _doubling(middle, fine)
        self.decoder6 = nn.Sequential(nn.Conv2d(fine, colours, 1, bias=False), nn.Tanh())

    def features(self, images: Tensor, noisy: Tensor) -> tuple[Tensor, Reconstruction]:
        """The feature map (B, C, h, w) and the reconstruction.

        Args:
            images: (B, 3, H, W), which the reconstruction is compared with.
            noisy: what is encoded of them.
        """
        layers = self.layers
        encoded = self.encoder.through(noisy, to=layers.decode)
        reconstruction = self.reconstruct(encoded, images.shape[-2:])
        maps = self.encoder.through(encoded, layers.decode, layers.reason)
        maps = maps + self.reasoning(maps, *reconstruction.maps[1:])
        maps = self.encoder.through(maps, layers.reason, layers.attend)
        maps = self.attention(images, reconstruction.images, maps)
        return self.encoder.through(maps, layers.attend), reconstruction

    def reconstruct(self, encoded: Tensor, size: tuple[int, ...]) -> Reconstruction:
        """What the decoder makes of the encoder's map (B, C, h, w), its images at a size (H, W)."""
        coarse = self.decoder2(self.decoder1(self.dropout(encoded)))
        fine = self.decoder4(self.decoder3(coarse))
        images = F.interpolate(self.decoder6(self.decoder5(fine)), size, mode="bilinear", align_corners=True)
        return Reconstruction(images, (encoded, coarse, fine))

    def classify(self, features: Tensor) -> Tensor:
        """Logits (B, num_classes) of a feature map, pooled as the encoder does."""
        return self.fc(self.dropout(self.encoder.pool(features)))


def _doubling(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.UpsamplingNearest2d(scale_factor=2),
        SeparableConv2d(before, after),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
