"""What methods that need fine maps build on a backbone's pyramid."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def joined(maps: Sequence[Tensor]) -> Tensor:
    """Maps (B, C, h, w) from fine to coarse, brought to the finest one's size bilinearly, as one of all channels."""
    finest, *others = maps
    size = finest.shape[-2:]
    return torch.cat([finest, *(F.interpolate(other, size, mode="bilinear") for other in others)], 1)


class TopDown(nn.Module):
    """The top-down path of a feature pyramid (Lin et al., CVPR 2017), without its 3x3 convolutions.

    A 1x1 convolution brings each map to one width; from the coarsest on, what is merged so far is enlarged (nearest) to
    the next finer map and added. The finest merged map is a 1x1 convolution of all maps, joined at its resolution.

    Args:
        channels: number of channels of each map, from fine to coarse, as `Backbone.pyramid_channels`.
        width: number of channels of the merged maps.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C, h, w) from fine to coarse, as merged maps (B, width, h, w) in the same order."""
        laterals = [convolution(one) for convolution, one in zip(self.lateral, maps, strict=True)]
        merged = laterals[-1:]
        for lateral in reversed(laterals[:-1]):
            merged.insert(0, lateral + F.interpolate(merged[0], lateral.shape[-2:]))
        return merged


class FeaturePyramid(nn.Module):
    """A feature pyramid (Lin et al., CVPR 2017): the top-down path, and a 3x3 convolution of its finest maps.

    Args:
        channels: number of channels of each map, from fine to coarse.
        width: number of channels of what comes of them.
        levels: how many maps are wanted, from the finest on.
    """

    def __init__(self, channels: Sequence[int], width: int, levels: int) -> None:
        super().__init__()
        self.top_down = TopDown(channels, width)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(levels))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C, h, w) from fine to coarse, as the finest `levels` maps (B, width, h, w) in the same order."""
        merged = self.top_down(maps)
        return [convolution(one) for convolution, one in zip(self.smooth, merged, strict=False)]
