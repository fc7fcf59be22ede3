"""The project's own small networks, which stand in for a latent-diffusion autoencoder and for GFPGAN.

`preprocessing.reconstruction.train` trains them; `preprocessing/models/RECONSTRUCTORS.md` is their card.
"""

import torch.nn.functional as F
from torch import Tensor, nn

AUTOENCODER_WIDTHS = (24, 48, 80)
LATENT_CHANNELS = 12
UPSCALER_WIDTH = 40
UPSCALER_BLOCKS = 4
ENLARGED = 4


class SmallAutoencoder(nn.Module):
    """A convolutional autoencoder with 12 numbers for each 8 x 8 pixels (192 values) between its halves.

    The decoder enlarges as that of latent diffusion does: each pixel becomes four, and a convolution smooths them.
    """

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = AUTOENCODER_WIDTHS
        self.encoder = nn.Sequential(
            _conv(3, fine, stride=2),
            _Residual(fine),
            _conv(fine, middle, stride=2),
            _Residual(middle),
            _conv(middle, coarse, stride=2),
            _Residual(coarse),
            _conv(coarse, LATENT_CHANNELS),
        )
        self.decoder = nn.Sequential(
            _conv(LATENT_CHANNELS, coarse),
            _Residual(coarse),
            _Residual(coarse),
            _Enlarge(coarse, middle),
            _Residual(middle),
            _Enlarge(middle, fine),
            _Residual(fine),
            _Enlarge(fine, fine // 2),
            nn.SiLU(),
            _conv(fine // 2, 3),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to the same; height and width are multiples of 8."""
        return self.decoder(self.encoder(images * 2 - 1)) / 2 + 0.5


class SmallUpscaler(nn.Module):
    """Enlarges four times: bicubic, and what a few convolutions on the small image add to it."""

    def __init__(self) -> None:
        super().__init__()
        blocks = [_Residual(UPSCALER_WIDTH) for _ in range(UPSCALER_BLOCKS)]
        last = _conv(UPSCALER_WIDTH, 3 * ENLARGED**2)
        nn.init.zeros_(last.weight)  # it begins as the bicubic enlargement alone
        self.body = nn.Sequential(_conv(3, UPSCALER_WIDTH), *blocks, last)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 3, 4 H, 4 W)."""
        plain = F.interpolate(images, scale_factor=ENLARGED, mode="bicubic", align_corners=False)
        return plain + F.pixel_shuffle(self.body(images - 0.5), ENLARGED)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.SiLU(), _conv(width, width), nn.SiLU(), _conv(width, width))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


class _Enlarge(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = _conv(inside, outside)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))


def _conv(inside: int, outside: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, stride, 1)
