"""Backbones whose steps can be followed: one without batch norm, and one of two parameters."""

import torch
from torch import nn

from detectors.backbones.base import Backbone


class Plain(Backbone):
    """Two convolutions without batch norm, so that a joint batch gives what its parts give."""

    channels = 12

    def __init__(self, config):
        super().__init__(config)
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2), nn.ReLU())
        self.last_layer = nn.Linear(12, config.num_classes)

    def features(self, images):
        return self.layers(images)

    def classifier(self, features):
        return self.last_layer(self.pool(features))


class Linear(Backbone):
    """The feature (x, a y) of an image whose first two channels are x and y, and the logits (0, b (x + a y))."""

    channels = 2

    def __init__(self, config):
        super().__init__(config)
        self.a = nn.Parameter(torch.tensor(0.8))
        self.b = nn.Parameter(torch.tensor(0.5))

    def features(self, images):
        return torch.cat([images[:, :1], self.a * images[:, 1:2]], 1)

    def classifier(self, features):
        score = self.b * self.pool(features).sum(1)
        return torch.stack([torch.zeros_like(score), score], 1)
