"""`assay explain masks`: masks before and after their boundary is blurred, a column for each composition (ADFD)."""

import textwrap
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from benchmark.explain.material import Maker, Material
from config.errors import InputError
from evaluation.plots.sheets import StepRows, gain_and_loss, step_sheet
from evaluation.tables import NO_VALUE, Column, Table
from preprocessing.samples import BrokenSampleError
from training.pseudofakes.blur import HardMask, SoftMask
from training.pseudofakes.compose import PseudoFake

WHOLE = 0.999
"""From here on a mask counts as 1, and up to 1 - WHOLE as 0; between them lies the boundary."""
NAME_WIDTH = 20  # letters of a line above an image
STAGES = ("mask before\nthe blur", "after the blur", "orange: added\nblue: taken away", "fake")


@dataclass(frozen=True, slots=True)
class MaskNumbers:
    """What the blur of its boundary does to a mask, in numbers.

    Attributes:
        area: pixels of the mask as it was drawn.
        whole: the share of them that is still 1; None of no pixels.
        half: pixels of the blurred mask above one half, as a share of `area`. What is blurred alike on both sides of an
            edge keeps about all of them, so that what lacks was eroded; None of no pixels.
        width: pixels across the boundary: its area over the mean length of its level lines; None without a boundary.
    """

    area: int
    whole: float | None
    half: float | None
    width: float | None


def measure_mask(hard: HardMask, mask: SoftMask) -> MaskNumbers:
    """Measure a mask against what it was before the blur.

    Args:
        hard: (H, W) of 0 and 1.
        mask: (H, W) in [0, 1].
    """
    still = (hard > 0) & (mask >= WHOLE)
    between = (mask > 1 - WHOLE) & (mask < WHOLE)
    area, whole, half, boundary = (int(np.count_nonzero(part)) for part in (hard, still, mask > 0.5, between))
    # The slope summed over all pixels is the mean length of the level lines between 0 and 1 (co-area formula).
    length = float(np.hypot(*np.gradient(mask.astype(np.float64))).sum())
    return MaskNumbers(
        area, whole / area if area else None, half / area if area else None, boundary / length if length else None
    )


@dataclass(frozen=True, slots=True)
class MaskSheet:
    """Fakes of the same faces by several compositions, each of whose steps has the same draws.

    Attributes:
        compositions: (C,) names.
        faces: (F,) names.
        made: F rows of C fakes.
        source: whose faces they are, in words.
    """

    compositions: tuple[str, ...]
    faces: tuple[str, ...]
    made: tuple[tuple[PseudoFake, ...], ...]
    source: str

    def figure(self) -> Figure:
        """For each face a row for each stage of its mask, a column for each composition, and the numbers below."""
        groups = []
        for face, fakes in zip(self.faces, self.made, strict=True):
            stages = [_stages(made) for made in fakes]
            images, below = ([list(row) for row in zip(*parts, strict=True)] for parts in zip(*stages, strict=True))
            groups.append(StepRows(face, images, STAGES, below))
        return step_sheet(groups, [_heading(name) for name in self.compositions], self.caption())

    def caption(self) -> str:
        """How the sheet is to be read."""
        levels = f"of a blurred mask 1 is {WHOLE} and more, the boundary what is between that and {1 - WHOLE:.3f}"
        return "; ".join([self.source, "columns have the same draws in each step", levels])

    def table(self) -> Table:
        """The numbers of each mask."""
        named = [(face, name) for face in self.faces for name in self.compositions]
        found = [measure_mask(made.hard, made.mask) for fakes in self.made for made in fakes]
        return Table(
            caption="Masks before and after the blur of their boundary",
            row_header="Face: composition",
            rows=tuple(f"{face}: {name}" for face, name in named),
            columns=(
                Column("area, px", None, format=".0f"),
                Column("still 1", None, group="share after the blur"),
                Column("above 1/2", None, group="share after the blur"),
                Column("boundary, px", None, format=".2f"),
            ),
            values=tuple((float(one.area), one.whole, one.half, one.width) for one in found),
        )


def make_masks(material: Material, rows: int, seed: int) -> MaskSheet:
    """Make fakes of some faces by all compositions.

    Args:
        material: compositions and faces.
        rows: how many faces.
        seed: of all draws.

    Raises:
        InputError: no such fake can be made of a face, or one cannot be read.
    """
    faces = [PurePosixPath(video).name for video in material.faces.rows["video_id"].tolist()[:rows]]
    try:
        columns = [_fakes(maker, len(faces), seed) for maker in material.makers()]
    except BrokenSampleError as error:
        raise InputError(str(error)) from None
    return MaskSheet(tuple(material.settings), tuple(faces), tuple(zip(*columns, strict=True)), material.caption())


def _fakes(maker: Maker, count: int, seed: int) -> list[PseudoFake]:
    """A composition's fakes of the first faces; each face has a seed of its own."""
    return [maker.make(index, np.random.default_rng([seed, index]), apart=True)[0] for index in range(count)]


def _stages(made: PseudoFake) -> tuple[list[npt.NDArray[Any]], list[str]]:
    """The images of `STAGES`, and what stands below each."""
    found = measure_mask(made.hard, made.mask)
    images = [made.hard, made.mask, gain_and_loss(made.hard, made.mask), made.fake]
    whole = NO_VALUE if found.whole is None else f"{found.whole:.1%}"
    width = NO_VALUE if found.width is None else f"{found.width:.1f} px"
    return images, [f"{found.area:,} px", f"still 1: {whole}", f"boundary {width}", f"ratio {made.ratio:g}"]


def _heading(composition: str) -> str:
    """A composition's name as lines of a narrow column."""
    return "\n".join(textwrap.fill(part, NAME_WIDTH) for part in composition.replace("/", "/\n").split("\n"))
