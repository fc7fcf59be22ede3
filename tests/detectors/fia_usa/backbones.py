"""Backbones of four stages that build and run in milliseconds."""

import torch
import torch.nn.functional as F
from torch import nn

from detectors.backbones.base import StagedBackbone

PLANTED = (3, 0, 2, 1)
"""Where the stages of `Planted` have the channel that AFFS is to find."""


class Staged(StagedBackbone):
    """A convolution for each stage, at strides 4 to 32, and one after the last."""

    channels = 24
    stage_channels = (8, 12, 16, 20)

    def __init__(self, config):
        super().__init__(config)
        sizes = ((config.inc, 8, 4), (8, 12, 2), (12, 16, 2), (16, 20, 2))
        self.blocks = nn.ModuleList(self.block(*size) for size in sizes)
        self.conv_head = nn.Conv2d(20, 24, 1)
        self.last_layer = nn.Linear(24, config.num_classes)

    def block(self, inside, outside, stride):
        return nn.Sequential(nn.Conv2d(inside, outside, stride + 1, stride, 1), nn.BatchNorm2d(outside), nn.ReLU())

    def stages(self, images):
        maps = [images]
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return maps[1:]

    def features_of_stage(self, last):
        return self.conv_head(last)

    def classifier(self, features):
        return self.last_layer(self.pool(features))


class Plain(Staged):
    """Without batch norm, so that halves of a batch are computed like the whole."""

    def block(self, inside, outside, stride):
        return nn.Sequential(nn.Conv2d(inside, outside, stride + 1, stride, 1), nn.Tanh())


class Planted(Staged):
    """Of each stage one channel is the image's red, and the others mix green and blue, at the stage's resolution."""

    stage_channels = (4, 4, 4, 4)

    def __init__(self, config):
        super().__init__(config)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def stages(self, images):
        maps = []
        for level, place in enumerate(PLANTED):
            red, green, blue = F.avg_pool2d(self.scale * images, 4 * 2**level).split(1, 1)
            others = [green, blue, green + blue]
            maps.append(torch.cat([*others[:place], red, *others[place:]], 1))
        return maps
