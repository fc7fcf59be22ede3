"""The tiny autoencoders of the family TAESD (taesd, taef1, taef2, ...), laid out as in their MIT-licensed files.

They stand in for the large autoencoder of a diffusion model: same latents, a hundredth of the time. An encoder and a
decoder file belong together; diffusers' `AutoencoderTiny` has both in one.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

WIDTH = 64
SIDES = 8  # sides of an image are multiples of it
BLOCKS_OF_A_LEVEL = 3
BOUND = 3.0  # of latents, softly


class TinyAutoencoder(nn.Module):
    """Encoder and decoder with three levels between pixels and latents of an eighth of the side.

    Args:
        channels: of the latents.
        pooled: whether the blocks of the coarsest level look at the whole image as well, as those of taef2 do.
    """

    def __init__(self, channels: int, pooled: bool = False) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            _conv(3),
            _Block(),
            *(layer for level in range(3) for layer in (_halve(), *_blocks(pooled and level == 2))),
            nn.Conv2d(WIDTH, channels, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            _Bound(),
            _conv(channels),
            nn.ReLU(),
            *(layer for level in range(3) for layer in (*_blocks(pooled and level == 0), *_double())),
            _Block(),
            nn.Conv2d(WIDTH, 3, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to the same; height and width are multiples of 8."""
        return self.decoder(self.encoder(images))


def tiny_from(state: Mapping[str, Tensor]) -> tuple[TinyAutoencoder, dict[str, Tensor]] | None:
    """The network that tensors belong to, and these under its names; None if they are of something else.

    Args:
        state: names that begin with `encoder.` and `decoder.`, or diffusers' `encoder.layers.` and `decoder.layers.`.
    """
    if any(name.startswith("encoder.layers.") for name in state):
        state = {re.sub(r"^(encoder|decoder)\.layers\.(\d+)", _renumbered, name): state[name] for name in state}
    first, latents = state.get("encoder.0.weight"), state.get("decoder.1.weight")
    if first is None or latents is None or first.shape != (WIDTH, 3, 3, 3) or latents.ndim != 4:
        return None
    with torch.device("meta"):
        network = TinyAutoencoder(latents.shape[1], any(".pool." in name for name in state))
    return (network.to_empty(device="cpu"), dict(state)) if network.state_dict().keys() == state.keys() else None


def _renumbered(name: re.Match[str]) -> str:
    """Diffusers bounds latents outside of the decoder's layers, so that these begin one earlier."""
    return f"{name[1]}.{int(name[2]) + (name[1] == 'decoder')}"


class _Block(nn.Module):
    def __init__(self, pooled: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
        self.pool = _pool() if pooled else None

    def forward(self, features: Tensor) -> Tensor:
        if self.pool is not None:
            features = features + self.pool(features)
        return (features + self.conv(features)).relu()


class _Bound(nn.Module):
    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / BOUND) * BOUND


def _pool() -> nn.Sequential:
    """Group norm between two convolutions of single pixels: what the block knows of the whole image."""
    wide = 4 * WIDTH
    narrow = nn.Conv2d(wide, WIDTH, 1, bias=False)
    return nn.Sequential(nn.Conv2d(WIDTH, wide, 1, bias=False), nn.GroupNorm(4, wide), nn.ReLU(), narrow)


def _blocks(pooled: bool) -> list[nn.Module]:
    return [_Block(pooled) for _ in range(BLOCKS_OF_A_LEVEL)]


def _conv(inside: int = WIDTH) -> nn.Conv2d:
    return nn.Conv2d(inside, WIDTH, 3, padding=1)


def _halve() -> nn.Conv2d:
    return nn.Conv2d(WIDTH, WIDTH, 3, stride=2, padding=1, bias=False)


def _double() -> tuple[nn.Module, nn.Module]:
    return nn.Upsample(scale_factor=2.0), nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False)
