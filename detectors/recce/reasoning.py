"""What RECCE's classifier takes from its decoder: vertices of a graph at two scales, and the reconstruction's error."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 256  # of what is made of a vertex, at each scale


class MultiScaleReasoning(nn.Module):
    """Multi-scale graph reasoning: each cell of the encoder's map gathers from those of the decoder's that lie in it.

    What a cell gathers of a scale is the mean of its embedded parts there, weighted by how they go with the cell, and
    passed the less the more the cell opens its gate.

    Args:
        channels: of the encoder's map.
        finer: channels of the decoder's two maps, from coarse to fine.
        ratios: how many times larger a side of each is than one of the encoder's map.
        dropout: rate before what is returned.
    """

    def __init__(self, channels: int, finer: tuple[int, int], ratios: tuple[int, int], dropout: float) -> None:
        super().__init__()
        self.ratios = ratios
        self.va_embedding = nn.Sequential(
            nn.Conv2d(channels, WIDTH, 1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        )
        for name, inputs in zip("bc", finer, strict=True):
            gate = nn.Sequential(nn.Conv2d(channels, WIDTH, 1, bias=False), nn.Sigmoid())
            embedding = nn.Sequential(
                nn.Linear(inputs, WIDTH, bias=False), nn.ReLU(inplace=True), nn.Linear(WIDTH, WIDTH, bias=False)
            )
            self.add_module(f"va_gated_{name}", gate)
            self.add_module(f"v{name}_embedding", embedding)
            self.add_module(f"reweight_a{name}", nn.Sequential(nn.Linear(2 * WIDTH, 1, bias=False)))
        self.reproject = nn.Sequential(
            nn.Conv2d(3 * WIDTH, channels, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.Dropout(dropout),
        )

    def forward(self, encoded: Tensor, *decoded: Tensor) -> Tensor:
        """What is added to the encoder's map (B, C, h, w), of that shape.

        Args:
            encoded: that map.
            decoded: the decoder's two, (B, C', h r, w r) each for its ratio r.
        """
        embedded = self.va_embedding(encoded)
        cells = embedded.flatten(2).transpose(1, 2)
        gathered = []
        for name, ratio, maps in zip("bc", self.ratios, decoded, strict=True):
            vertices = self.get_submodule(f"v{name}_embedding")(parts_of_cells(maps, ratio))
            # One layer over each pair of a cell and a part of it, without making the pairs.
            of_cells, of_vertices = self.get_parameter(f"reweight_a{name}.0.weight").split(WIDTH, 1)
            scores = F.linear(cells, of_cells).unsqueeze(2) + F.linear(vertices, of_vertices)
            mean = (scores.relu().softmax(2) * vertices).sum(2)
            gate = 1 - self.get_submodule(f"va_gated_{name}")(encoded)
            gathered.append(mean.transpose(1, 2).unflatten(2, encoded.shape[2:]) * gate)
        return self.reproject(torch.cat([*gathered, embedded], 1).sigmoid())


def parts_of_cells(maps: Tensor, ratio: int) -> Tensor:
    """A map (B, C, h r, w r) as (B, h w, r r, C): the vectors that lie in each cell of a map r times smaller."""
    return F.unfold(maps, ratio, stride=ratio).unflatten(1, (maps.shape[1], ratio**2)).permute(0, 3, 2, 1)


class GuidedAttention(nn.Module):
    """Reconstruction-guided attention: the map where the reconstruction errs, beside the map as it was.

    Args:
        channels: of the map.
        colours: of an image.
        dropout: rate of the map as it was.
    """

    def __init__(self, channels: int, colours: int, dropout: float) -> None:
        super().__init__()
        self.gated = nn.Sequential(
            nn.Conv2d(colours, 3, 3, padding=1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(3, 1, 1, bias=False),
            nn.Sigmoid(),
        )
        self.h = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, images: Tensor, reconstructed: Tensor, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) under attention to the differences of images and what was made of them (B, 3, H, W)."""
        error = (images - reconstructed).abs()
        error = F.interpolate(error, maps.shape[-2:], mode="bilinear", align_corners=True)
        return self.gated(error) * self.h(maps) + self.dropout(maps)
