"""Backbones that build and run in milliseconds, for tests of what stands behind a backbone."""

from torch import nn

from detectors.backbones.base import Backbone, LayeredBackbone


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


class SmallLayered(LayeredBackbone):
    """Three convolutions that can be entered between them, with maps at strides 4, 8 and 8."""

    channels = 24
    stage_channels = (8, 16, 24)
    layers = ("first", "second", "third")

    def __init__(self, config):
        super().__init__(config)
        self.first = nn.Sequential(nn.Conv2d(3, 8, 5, stride=4, padding=2), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.third = nn.Sequential(nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU())
        self.last_layer = nn.Linear(24, config.num_classes)

    def layer(self, name, maps):
        return self.get_submodule(name)(maps)

    def stages(self, images):
        return [self.through(images, to=name) for name in self.layers]

    def classifier(self, features):
        return self.last_layer(self.pool(features))
