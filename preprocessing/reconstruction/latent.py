"""The autoencoder of latent diffusion (Rombach et al., CVPR 2022) with an eighth of the side: Stable Diffusion's KL-f8.

Names are those of CompVis's MIT-licensed code; diffusers' `AutoencoderKL` has the same tensors under other names.
"""

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTHS = (128, 256, 512, 512)
BLOCKS_OF_A_LEVEL = 2
LATENT_CHANNELS = 4
GROUPS = 32
SIDES = 8  # sides of an image are multiples of it
PREFIX = "first_stage_model."
MARK = "encoder.conv_in.weight"


class LatentAutoencoder(nn.Module):
    """Encoder, decoder, and the 1 x 1 convolutions between them. Latents are the mean of what the encoder says."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.decoder = _Decoder()
        self.quant_conv = nn.Conv2d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
        self.post_quant_conv = nn.Conv2d(LATENT_CHANNELS, LATENT_CHANNELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to the same; height and width are multiples of 8."""
        mean = self.quant_conv(self.encoder(images * 2 - 1))[:, :LATENT_CHANNELS]
        return self.decoder(self.post_quant_conv(mean)) / 2 + 0.5


def latent_from(state: Mapping[str, Tensor]) -> tuple[LatentAutoencoder, dict[str, Tensor]] | None:
    """The network that tensors belong to, and these under its names; None if they are of something else.

    Args:
        state: those of an autoencoder by itself, or of a whole diffusion model of CompVis's kind.
    """
    if PREFIX + MARK in state:
        state = {name.removeprefix(PREFIX): tensor for name, tensor in state.items() if name.startswith(PREFIX)}
    if MARK not in state:
        return None
    with torch.device("meta"):
        network = LatentAutoencoder()
    own = network.state_dict()
    named = {_own_name(name): tensor for name, tensor in state.items()}
    found = {name: named[name].reshape(own[name].shape) for name in own if _as_many(named.get(name), own[name])}
    return (network.to_empty(device="cpu"), found) if found.keys() == own.keys() else None


def _as_many(tensor: Tensor | None, own: Tensor) -> bool:
    """Diffusers holds the attention's 1 x 1 convolutions as matrices: as many numbers in another shape."""
    return tensor is not None and tensor.numel() == own.numel()


_DIFFUSERS = (
    (r"\.down_blocks\.(\d)\.resnets\.(\d)\.", r".down.\1.block.\2."),
    (r"\.down_blocks\.(\d)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.(\d)\.resnets\.(\d)\.", lambda found: f".up.{3 - int(found[1])}.block.{found[2]}."),
    (r"\.up_blocks\.(\d)\.upsamplers\.0\.", lambda found: f".up.{3 - int(found[1])}.upsample."),
    (r"\.mid_block\.resnets\.(\d)\.", lambda found: f".mid.block_{int(found[1]) + 1}."),
    (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
    (r"\.group_norm\.", ".norm."),
    (r"\.(to_q|query)\.", ".q."),
    (r"\.(to_k|key)\.", ".k."),
    (r"\.(to_v|value)\.", ".v."),
    (r"\.(to_out\.0|proj_attn)\.", ".proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.conv_norm_out\.", ".norm_out."),
)


def _own_name(name: str) -> str:
    for pattern, replacement in _DIFFUSERS:
        name = re.sub(pattern, replacement, name)
    return name


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = _conv(3, WIDTHS[0])
        inside = (WIDTHS[0], *WIDTHS[:-1])
        self.down = nn.ModuleList(
            _Level(inside[level], width, BLOCKS_OF_A_LEVEL, _Halve(width) if level < 3 else None, "downsample")
            for level, width in enumerate(WIDTHS)
        )
        self.mid = _Middle(WIDTHS[-1])
        self.norm_out = _norm(WIDTHS[-1])
        self.conv_out = _conv(WIDTHS[-1], 2 * LATENT_CHANNELS)

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv_in(images)
        for level in self.down:
            features = level(features)
        return self.conv_out(F.silu(self.norm_out(self.mid(features))))


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_in = _conv(LATENT_CHANNELS, WIDTHS[-1])
        self.mid = _Middle(WIDTHS[-1])
        inside = (*WIDTHS[1:], WIDTHS[-1])
        self.up = nn.ModuleList(
            _Level(inside[level], width, BLOCKS_OF_A_LEVEL + 1, _Double(width) if level else None, "upsample")
            for level, width in enumerate(WIDTHS)
        )
        self.norm_out = _norm(WIDTHS[0])
        self.conv_out = _conv(WIDTHS[0], 3)

    def forward(self, latents: Tensor) -> Tensor:
        features = self.mid(self.conv_in(latents))
        for level in reversed(self.up):
            features = level(features)
        return self.conv_out(F.silu(self.norm_out(features)))


class _Level(nn.Module):
    """Residual blocks of one size, and then the way to the next size if there is one."""

    def __init__(self, inside: int, width: int, blocks: int, resize: nn.Module | None, name: str) -> None:
        super().__init__()
        self.block = nn.ModuleList(_Residual(inside if i == 0 else width, width) for i in range(blocks))
        self.resize = name if resize else ""
        if resize:
            self.add_module(name, resize)

    def forward(self, features: Tensor) -> Tensor:
        for block in self.block:
            features = block(features)
        return getattr(self, self.resize)(features) if self.resize else features


class _Middle(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block_1 = _Residual(width, width)
        self.attn_1 = _Attention(width)
        self.block_2 = _Residual(width, width)

    def forward(self, features: Tensor) -> Tensor:
        return self.block_2(self.attn_1(self.block_1(features)))


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.norm1 = _norm(inside)
        self.conv1 = _conv(inside, outside)
        self.norm2 = _norm(outside)
        self.conv2 = _conv(outside, outside)
        self.nin_shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else None

    def forward(self, features: Tensor) -> Tensor:
        made = self.conv1(F.silu(self.norm1(features)))
        made = self.conv2(F.silu(self.norm2(made)))
        return made + (features if self.nin_shortcut is None else self.nin_shortcut(features))


class _Attention(nn.Module):
    """Each place looks at all others, with one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, features: Tensor) -> Tensor:
        normed = self.norm(features)
        q, k, v = (part(normed).flatten(2).transpose(1, 2)[:, None] for part in (self.q, self.k, self.v))
        seen = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).reshape(features.shape)
        return features + self.proj_out(seen)


class _Halve(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(F.pad(features, (0, 1, 0, 1)))


class _Double(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = _conv(width, width)

    def forward(self, features: Tensor) -> Tensor:
        return self.conv(F.interpolate(features, scale_factor=2.0, mode="nearest"))


def _conv(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, width, eps=1e-6)
