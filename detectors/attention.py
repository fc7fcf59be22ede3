"""Attention of CBAM (Woo et al., ECCV 2018): to places by their channels, and to channels by their places."""

import torch
from torch import Tensor, nn


class SpatialAttention(nn.Module):
    """Which places of a map count: a 7x7 convolution of the mean and the largest value over its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) as weights (B, 1, h, w) in [0, 1]."""
        return self.conv(torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)).sigmoid()


class ChannelAttention(nn.Module):
    """Which channels of a map count: one small network of their means and of their largest values, added up.

    Args:
        channels: of the map.
        ratio: how many times fewer the network has inside.
    """

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        inside = max(1, channels // ratio)
        self.sharedMLP = nn.Sequential(
            nn.Conv2d(channels, inside, 1, bias=False), nn.ReLU(), nn.Conv2d(inside, channels, 1, bias=False)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) as weights (B, C, 1, 1) in [0, 1]."""
        means, largest = maps.mean((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        return (self.sharedMLP(means) + self.sharedMLP(largest)).sigmoid()
