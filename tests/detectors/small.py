"""A backbone that builds and runs in milliseconds, for tests of what stands behind a backbone."""

from torch import nn

from detectors.backbones.base import Backbone


class Small(Backbone):
    """Two convolutions, with a map at stride 2 and one at stride 4."""

    channels = 16
    pyramid_channels = (8, 16)

    def __init__(self, config):
        super().__init__(config)
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(8, 16, 5, stride=2, padding=2), nn.BatchNorm2d(16), nn.ReLU())
        self.last_layer = nn.Linear(16, config.num_classes)

    def pyramid(self, images):
        fine = self.fine(images)
        return [fine, self.coarse(fine)]

    def features(self, images):
        return self.pyramid(images)[-1]

    def classifier(self, features):
        return self.last_layer(self.pool(features))
