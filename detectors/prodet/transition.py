"""ProDet's feature transition T: from the features of one anchor, with noise, to those of the next one."""

from typing import Literal

import torch
from torch import Tensor, nn

Distance = Literal["mse", "l2"]


class Transition(nn.Module):
    """T(N, F) of equation 5; names and shapes are those of the released weights.

    Args:
        width: channels of the feature map.
        channels: of the layers between.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.noise_process = nn.Sequential(
            nn.Conv2d(width, channels, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(),
        )
        self.concat_process = nn.Sequential(
            nn.Conv2d(channels + width, channels, 1),
            nn.LeakyReLU(),
            nn.Conv2d(channels, width, 3, padding=1),
            nn.LeakyReLU(),
        )

    def forward(self, noise: Tensor, features: Tensor) -> Tensor:
        """Features (B, width, h, w) as those of the next anchor would be; noise of the same shape is drawn anew."""
        return self.concat_process(torch.cat([self.noise_process(noise), features], 1))


def transition_loss(moved: Tensor, targets: Tensor, distance: Distance) -> Tensor:
    """L_t, equation 5: the distance of the moved features from those of the next anchor, summed over the edges.

    Derivatives go to both. The paper prints the Euclidean norm (`l2`, here its mean over the images), which over
    512 x 8 x 8 numbers is in the hundreds and with the paper's weight of 10 leaves the other losses without a voice.
    The released code has the mean square (`mse`).

    Args:
        moved: (E, B, C, h, w), of E edges.
        targets: likewise.
        distance: how it is measured.
    """
    apart = moved.float() - targets.float()
    if distance == "mse":
        return apart.square().mean((1, 2, 3, 4)).sum()
    return torch.linalg.vector_norm(apart.flatten(2), dim=2).mean(1).sum()
