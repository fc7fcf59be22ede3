"""FIA-USA's feature pyramid, of the channels that AFFS keeps."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from config.errors import InputError
from detectors.fia_usa.selection import ChannelSelection
from detectors.pyramid import FeaturePyramid


@dataclass(frozen=True, slots=True)
class Published:
    """What the paper gives for a backbone.

    Attributes:
        kept: the channels that AFFS keeps of each stage (Table 7); none if the table lacks the backbone.
        width: of the pyramid (appendix D).
    """

    kept: tuple[int, ...] = ()
    width: int = 128


_PUBLISHED: dict[tuple[int, ...], Published] = {
    (24, 40, 112, 320): Published((16, 24, 40, 112)),  # EfficientNet-B1, and Lite0
    (32, 56, 160, 448): Published((24, 32, 56, 160)),  # EfficientNet-B4
    (256, 512, 1024, 2048): Published((196, 384, 768, 1536), 196),  # ResNet-50 and -101
}


def published(channels: Sequence[int]) -> Published:
    """What the paper gives for the backbone whose stages have so many channels, from fine to coarse."""
    return _PUBLISHED.get(tuple(channels), Published())


def channels_kept(channels: Sequence[int], given: Sequence[int] | None) -> Sequence[int]:
    """How many channels AFFS keeps of each stage.

    Args:
        channels: of each stage, from fine to coarse.
        given: the option `channels`; None asks for Table 7's.

    Raises:
        InputError: the table lacks the backbone, or more channels are given than a stage has.
    """
    kept = published(channels).kept if given is None else given
    if len(kept) != len(channels) or not all(0 < few <= most for few, most in zip(kept, channels, strict=True)):
        why = "Table 7 has no such backbone" if given is None else f"not {list(given)}"
        raise InputError(f"options.channels: expected 1 to {list(channels)}, how many of each stage AFFS keeps; {why}")
    return kept


class SelectedPyramid(nn.Module):
    """A feature pyramid, of some channels of the stages or of all.

    Args:
        channels: of each stage, from fine to coarse.
        kept: how many of them AFFS keeps of each; None keeps all of them, without AFFS.
        width: channels of the pyramid's maps.
        levels: how many maps are wanted, from the finest on.
    """

    def __init__(self, channels: Sequence[int], kept: Sequence[int] | None, width: int, levels: int) -> None:
        super().__init__()
        self.affs = None if kept is None else ChannelSelection(channels, kept)
        self.merge = FeaturePyramid(channels if kept is None else kept, width, levels)

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """Maps (B, C_i, h, w) of the stages, as the finest maps (B, width, h, w) of the pyramid, P2 first."""
        return self.merge(stages if self.affs is None else self.affs(stages))
