"""ProDet's projector P: from what the attribute heads say of an image to an attention map over its features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

HIDDEN = 256


class Projector(nn.Module):
    """M = P(A), equation 2: each head's logits become a map, the maps are joined to one attention map in (0, 1).

    Names and shapes are those of the released weights, where the feature map itself goes in beside the heads' maps,
    which the paper's equation does not say.

    Args:
        logits: number of logits of each head.
        width: channels of the feature map.
        side: height and width of the feature map, to which a transposed convolution enlarges a single point.
        channels: of each head's map and of what they are joined to.
        with_features: whether the feature map goes in as well.
    """

    def __init__(self, logits: Sequence[int], width: int, side: int, channels: int, with_features: bool) -> None:
        super().__init__()
        self.logits = tuple(logits)
        self.with_features = with_features
        for number, count in enumerate(self.logits, 1):
            self.add_module(f"inverse_conv{number}", _spread_out(count, side, channels))
        joined = channels * len(self.logits) + (width if with_features else 0)
        self.attention = nn.Sequential(
            nn.Conv2d(joined, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, width, 3, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, logits: Tensor, features: Tensor) -> Tensor:
        """The attention map (B, width, side, side) in (0, 1).

        Args:
            logits: (B, L) of all heads side by side.
            features: (B, width, side, side).
        """
        of_heads = zip(self._maps(), logits.split(self.logits, 1), strict=True)
        maps = [spread(of_head) for spread, of_head in of_heads]
        return self.attention(torch.cat([*maps, features] if self.with_features else maps, 1))

    def _maps(self) -> list[nn.Module]:
        return [self.get_submodule(f"inverse_conv{number}") for number in range(1, len(self.logits) + 1)]


def _spread_out(logits: int, side: int, channels: int) -> nn.Sequential:
    """Logits (B, logits) to a map (B, channels, side, side)."""
    return nn.Sequential(
        nn.Linear(logits, HIDDEN),
        nn.LeakyReLU(),
        nn.Linear(HIDDEN, channels),
        nn.Unflatten(1, (channels, 1, 1)),
        nn.ConvTranspose2d(channels, channels, side),
    )
