"""AFFS, the Automatic Forgery-aware Feature Selection: channels whose change from real to fake looks like the mask."""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from config.errors import InputError

Difference = Literal["absolute", "signed", "each"]


class ChannelSelection(nn.Module):
    """Takes some channels out of each of several maps.

    Which ones lies in a buffer for each map, so that files of weights have it; until `keep` they are the first ones.
    Loading a file whose lists are not of these maps raises InputError.

    Args:
        channels: how many each map has.
        counts: how many of them are taken.
    """

    def __init__(self, channels: Sequence[int], counts: Sequence[int]) -> None:
        super().__init__()
        self.channels = tuple(channels)
        for number, size in enumerate(counts):
            self.register_buffer(f"map{number}", torch.arange(size))
        self.register_load_state_dict_post_hook(_refuse_other_lists)

    @property
    def kept(self) -> list[Tensor]:
        """The channels (m_i,) int64 of each map, rising."""
        return [self.get_buffer(f"map{number}") for number in range(len(self.channels))]

    @torch.no_grad()
    def keep(self, errors: Sequence[Tensor]) -> None:
        """Keep the channels with the smallest errors (C_i,) of each map; of equal ones those that come first."""
        for kept, error in zip(self.kept, errors, strict=True):
            kept.copy_(error.argsort(stable=True)[: len(kept)].sort().values)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C_i, h, w) as (B, m_i, h, w)."""
        return [one.index_select(1, kept) for one, kept in zip(maps, self.kept, strict=True)]


def _refuse_other_lists(selection: ChannelSelection, _: object) -> None:
    """The hook of ChannelSelection after a file's lists were loaded."""
    for number, (kept, most) in enumerate(zip(selection.kept, selection.channels, strict=True)):
        listed = kept.tolist()
        if listed != sorted(set(listed) & set(range(most))):
            raise InputError(
                f"AFFS's list map{number} is damaged: expected {len(listed)} rising numbers from 0 to {most - 1}"
            )


class ChannelErrors:
    """L_AFFS of equation 3 for each channel of several maps, over pairs that come batch by batch; no map is stored.

    The printed sum of squares over the mask's pixels is their mean here, which ranks alike.

    Args:
        difference: as for `response`.
    """

    def __init__(self, difference: Difference) -> None:
        self._difference = difference
        self._totals: list[Tensor] = []
        self._pairs = 0

    @torch.no_grad()
    def add(self, real: Sequence[Tensor], fake: Sequence[Tensor], mask: Tensor) -> None:
        """Count some pairs in.

        Args:
            real: for each map that of the real faces (n, C_i, h, w).
            fake: likewise of their fakes.
            mask: (n, 1, H, W) in [0, 1], where the fakes were changed.
        """
        errors = [
            squared_distances(response(r.float(), f.float(), self._difference), mask).double().sum(0)
            for r, f in zip(real, fake, strict=True)
        ]
        totals = self._totals or [torch.zeros_like(error) for error in errors]
        self._totals = [total + error for total, error in zip(totals, errors, strict=True)]
        self._pairs += len(mask)

    def means(self) -> list[Tensor]:
        """The mean error (C_i,) float64 in [0, 1] of each map's channels over all pairs so far."""
        return [total / self._pairs for total in self._totals]


def response(real: Tensor, fake: Tensor, difference: Difference) -> Tensor:
    """F of equation 3 without its interpolation: how a channel differs between real and fake, in [0, 1].

    The printed brackets do not close, so that they leave open what is normalised (F4). Normalised is each channel of
    each pair by its own least and largest value; one that is the same everywhere is 0.

    Args:
        real: (n, C, h, w).
        fake: likewise.
        difference: "absolute" normalises |real - fake|, "signed" real - fake as printed; "each" normalises both maps,
            and takes the absolute difference of those.
    """
    if difference == "each":
        return (_to_unit_range(real) - _to_unit_range(fake)).abs()
    change = real - fake
    return _to_unit_range(change.abs() if difference == "absolute" else change)


def squared_distances(maps: Tensor, mask: Tensor) -> Tensor:
    """The mean over the mask's pixels of (map, enlarged bilinearly to the mask's size, - mask) squared: (n, C).

    Computed from the small maps d: enlarging is A d B^T, so that |A d B^T - M|^2 = <d, A^T A d B^T B> - 2 <d, A^T M B>
    + |M|^2. The 2,048 channels of a ResNet's last stage would be enlarged to half a gigabyte for each pair.

    Args:
        maps: (n, C, h, w) float32.
        mask: (n, 1, H, W) float32.
    """
    rows, columns = (_enlargement(*sizes).to(maps) for sizes in zip(maps.shape[2:], mask.shape[2:], strict=True))
    power = (maps * (rows.T @ rows @ maps @ (columns.T @ columns))).sum((2, 3))
    overlap = (maps * (rows.T @ mask @ columns)).sum((2, 3))
    return (power - 2 * overlap + mask.square().sum((2, 3))) / mask[0, 0].numel()


def _to_unit_range(maps: Tensor) -> Tensor:
    lowest, highest = (bound((2, 3), keepdim=True) for bound in (maps.amin, maps.amax))
    return (maps - lowest) / (highest - lowest).clamp(min=torch.finfo(maps.dtype).tiny)


def _enlargement(size: int, target: int) -> Tensor:
    """A (target, size), which enlarges a column of numbers linearly as torch does."""
    return F.interpolate(torch.eye(size)[None], target, mode="linear")[0].T
