"""What methods see of an image in its frequencies: the cosine basis, bands of it, and what the phase alone keeps."""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from config.errors import InputError


def dct_basis(size: int) -> Tensor:
    """The orthonormal cosine basis (DCT-II): D (size, size) float32, frequency by place, so that D x is the DCT of x.

    The DCT of an image X is D X D^T, and D^T Y D is the image of coefficients Y.
    """
    frequency = torch.arange(size, dtype=torch.float64)[:, None]
    place = torch.arange(size, dtype=torch.float64)[None] + 0.5
    basis = (2 / size) ** 0.5 * torch.cos(math.pi / size * frequency * place)
    return torch.cat([basis[:1] / 2**0.5, basis[1:]]).float()


def band(start: int, end: int, size: int) -> Tensor:
    """A band of DCT coefficients, (size, size) float32: 1 where start <= u + v < end for frequencies u, v, else 0."""
    frequency = torch.arange(size)
    diagonal = frequency[:, None] + frequency[None]
    return ((diagonal >= start) & (diagonal < end)).float()


def phase_image(images: Tensor) -> Tensor:
    """What the phase alone says of grey images: images (B, C, H, W) become (B, 1, H, W) float32.

    The mean over the channels passes a Fourier transform, each coefficient's amplitude is set to 1, and the transform
    is undone. The squares of an image's values sum to 1 whatever the image, so their root mean square is
    1 / sqrt(H W). A coefficient of 0 has phase 0.
    """
    grey = images.float().mean(1, keepdim=True)
    phase = torch.angle(torch.fft.fft2(grey))
    return torch.fft.ifft2(torch.polar(torch.ones_like(phase), phase)).real


class BandFilter(nn.Module):
    """A filter of DCT coefficients: those of a band, and a learnt weight in (-1, 1) added to each of all coefficients.

    Args:
        start: the band's first diagonal u + v.
        end: the first diagonal behind it.
        size: side of the images.
    """

    base: Tensor

    def __init__(self, start: int, end: int, size: int) -> None:
        super().__init__()
        self.register_buffer("base", band(start, end, size))
        self.learnable = nn.Parameter(torch.empty(size, size).normal_(0, 0.1))

    def forward(self, coefficients: Tensor) -> Tensor:
        """Coefficients (..., size, size), filtered; what is learnt counts by (1 - e^-w) / (1 + e^-w) = tanh(w / 2)."""
        return coefficients * (self.base + torch.tanh(self.learnable / 2))


class FrequencyBands(nn.Module):
    """F3-Net's frequency-aware decomposition: images of a low, a middle and a high band, and of all frequencies.

    The diagonals u + v part the spectrum at 1/16 and 1/8 of its area: at size / 2.82 and size / 2. Without what is
    learnt, the first three images add up to the image.

    Args:
        size: side of the images in pixels, at least 4.
    """

    _DCT_all: Tensor
    _DCT_all_T: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        basis = dct_basis(size)
        self.register_buffer("_DCT_all", basis)
        self.register_buffer("_DCT_all_T", basis.T.contiguous())
        edges = (0, int(size // 2.82), size // 2, 2 * size)
        bands = [*pairwise(edges), (0, 2 * size)]
        self.filters = nn.ModuleList(BandFilter(start, end, size) for start, end in bands)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, size, size) as (B, 4 C, size, size) float32: all channels of the low band first.

        Raises:
            InputError: images of another size.
        """
        if images.shape[-2:] != (self.size, self.size):
            height, width = images.shape[-2:]
            raise InputError(
                f"resolution: the filters are of {self.size} x {self.size} frequencies, so expected images of as many "
                f"pixels, not {height} x {width}"
            )
        # Coefficients of high frequencies are small beside the others', so that bfloat16 would drown them.
        with torch.autocast(images.device.type, enabled=False):
            coefficients = self._DCT_all @ images.float() @ self._DCT_all_T
            filtered = torch.cat([one(coefficients) for one in self.filters], 1)
            return self._DCT_all_T @ filtered @ self._DCT_all
