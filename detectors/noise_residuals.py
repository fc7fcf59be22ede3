"""High-pass filters of the spatial rich model (Fridrich and Kodovsky, TIFS 2012), which leave a picture's noise."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LIMIT = 3.0  # where residuals are cut off


def srm_kernels() -> Tensor:
    """The three kernels (3, 5, 5) that manipulation detection takes of the model's thirty (Zhou et al., CVPR 2018).

    The squares of 3x3 and of 5x5 pixels, and the second difference along a row. Each foretells a pixel from those
    around it, weighed to add up to 1, and takes the pixel itself away.
    """
    second, middle = torch.tensor([0.0, 1.0, -2.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    square = -torch.outer(second, second) / 4
    large = torch.tensor(
        [
            [-1.0, 2.0, -2.0, 2.0, -1.0],
            [2.0, -6.0, 8.0, -6.0, 2.0],
            [-2.0, 8.0, -12.0, 8.0, -2.0],
            [2.0, -6.0, 8.0, -6.0, 2.0],
            [-1.0, 2.0, -2.0, 2.0, -1.0],
        ]
    )
    return torch.stack([square, large / 12, torch.outer(middle, second) / 2])


class ImageResiduals(nn.Module):
    """Three maps of noise of an image, each the sum of one kernel's residuals over the colours, cut off at +-3.

    Args:
        channels: of the image.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("kernel", srm_kernels().unsqueeze(1).repeat(1, channels, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W) as residuals (B, 3, H, W) float32; what lies outside an image is 0."""
        return residuals(images, self.kernel)


class FeatureResiduals(nn.Module):
    """Residuals of each channel of a feature map by each kernel, cut off at +-3, and a 1x1 convolution of all of them.

    Args:
        channels: of the map.
        width: channels of what is made of it.
    """

    kernel: Tensor

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.register_buffer("kernel", srm_kernels().unsqueeze(1).repeat(channels, 1, 1, 1))
        self.out_conv = nn.Sequential(
            nn.Conv2d(3 * channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, channels, h, w) as (B, width, h, w), at least 0."""
        return self.out_conv(residuals(maps, self.kernel, groups=maps.shape[1]))


def residuals(maps: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
    """What a convolution leaves of maps, cut off at +-3; float32 also under autocast, whose rounding is of their size.

    Args:
        maps: (B, C, h, w).
        kernel: (K, C / groups, 5, 5).
        groups: of the convolution.
    """
    with torch.autocast(maps.device.type, enabled=False):
        return F.conv2d(maps.float(), kernel.float(), padding=2, groups=groups).clamp(-LIMIT, LIMIT)
