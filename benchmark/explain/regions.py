"""`assay explain regions`: which cells of a map RCR takes as inside of a mask, as outside, and which it discards."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure

from benchmark.explain.grid import by_mask
from benchmark.explain.inputs import as_seen
from benchmark.explain.material import Material, Pair, make_pairs
from config.errors import InputError
from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.fia_usa.detector import FIAUSA
from detectors.fia_usa.regions import mask_shares, regions
from evaluation.plots.sheets import StepRows, region_overlay, step_sheet
from evaluation.tables import Column, Table
from training.recipes import network_sample


@dataclass(frozen=True, slots=True)
class MapRegions:
    """The regions of a mask on a map.

    Attributes:
        share: (h, w) in [0, 1], how much of each cell is in the mask.
        inside: (h, w) the cells that count as inside.
        outside: likewise. What is neither is discarded.
    """

    share: npt.NDArray[np.float32]
    inside: npt.NDArray[np.bool_]
    outside: npt.NDArray[np.bool_]

    @property
    def discarded(self) -> npt.NDArray[np.bool_]:
        """(h, w) the cells of the boundary."""
        return ~(self.inside | self.outside)

    @property
    def size(self) -> str:
        """Height and width."""
        return " x ".join(map(str, self.share.shape))


@dataclass(frozen=True, slots=True)
class MaskRegions:
    """The regions of a fake's mask on all maps that RCR compares.

    Attributes:
        face: name of the real face.
        mask: which mask was drawn.
        fake: (R, R, 3) uint8 RGB as the detector has it.
        soft: (R, R) the mask in [0, 1].
        maps: of each map, from fine to coarse.
    """

    face: str
    mask: str
    fake: npt.NDArray[Any]
    soft: npt.NDArray[Any]
    maps: tuple[MapRegions, ...]


@dataclass(frozen=True, slots=True)
class RegionSheet:
    """Regions of the masks that a composition draws.

    Attributes:
        found: of each face and each mask.
        edge: how much of a cell may belong to the other region.
        source: whose faces and which fakes they are, in words.
    """

    found: tuple[MaskRegions, ...]
    edge: float
    source: str

    def figure(self) -> Figure:
        """For each face a row for each mask: the fake, its mask, and on each map the shares and the regions."""
        groups = []
        for face in dict.fromkeys(one.face for one in self.found):
            rows = [one for one in self.found if one.face == face]
            labels = [one.mask.replace("_", " ") for one in rows]
            groups.append(StepRows(face, [_images(one) for one in rows], labels, [_below(one) for one in rows]))
        on_maps = (name for one in self.found[0].maps for name in (f"mask, {one.size}", f"regions, {one.size}"))
        return step_sheet(groups, ["fake", "mask", *on_maps], self.caption())

    def caption(self) -> str:
        """How the sheet is to be read."""
        sentences = [
            self.source,
            f"orange: inside, at least {1 - self.edge:.0%} of the cell is in the mask",
            f"blue: outside, at most {self.edge:.0%} is",
            "black: the boundary, which RCR discards",
        ]
        return "; ".join(sentences)

    def table(self) -> Table:
        """How many cells each region has."""
        named = [(f"{one.face}: {one.mask}, {on.size}", on) for one in self.found for on in one.maps]
        return Table(
            caption=f"Cells that RCR compares and discards, edge {self.edge:g}",
            row_header="Face: mask, map",
            rows=tuple(name for name, _ in named),
            columns=(
                *(Column(name, None, group="cells", format=".0f") for name in ("inside", "outside", "discarded")),
                Column("discarded", None, group="share"),
            ),
            values=tuple(
                (*(float(cells.sum()) for cells in (on.inside, on.outside, on.discarded)), float(on.discarded.mean()))
                for _, on in named
            ),
        )


def mask_regions(
    detector: str, material: Material, *, rows: int = 1, seed: int = 0, overrides: Sequence[str] = ()
) -> RegionSheet:
    """Make a fake of each face with each mask of a composition, and see which cells of the maps RCR compares.

    No weights are needed: the regions depend on the mask, on the sizes of the detector's maps and on its options.

    Args:
        detector: name of FIA-USA or of a variant, or a YAML file such as a run's.
        material: a composition, and the faces.
        rows: how many faces.
        seed: of all draws.
        overrides: assignments to the detector's configuration.

    Raises:
        InputError: the detector is not there or has no RCR, a face cannot be read, or no fake can be made of it.
    """
    config = load_config(DetectorConfig, detector, overrides)
    network = build_detector(config, pretrained=False).eval()
    if not isinstance(network, FIAUSA) or not (sizes := network.regularised_sizes()):
        raise InputError(f"{detector}: expected a detector with RCR, such as fia_usa, which tells regions apart")
    edge = network.options.edge
    ((name, settings),) = material.settings.items()
    masks, numbers = by_mask(settings), range(min(rows, len(material.faces.rows)))
    made = [make_pairs(replace(material, settings={name: masked}), numbers, seed) for masked in masks.values()]
    found = [
        _regions(mask, pair, config, sizes, edge)
        for of_face in zip(*made, strict=True)
        for mask, pair in zip(masks, of_face, strict=True)
    ]
    source = f"{material.caption()}; fakes: {name}, drawn with seed {seed}"
    return RegionSheet(tuple(found), edge, source)


def _regions(mask: str, pair: Pair, config: DetectorConfig, sizes: Sequence[torch.Size], edge: float) -> MaskRegions:
    """The regions of a fake's mask on maps of some sizes."""
    seen = network_sample(as_seen(pair.fake, config), 0, config)
    soft = torch.from_numpy(seen["mask"][None])
    maps = []
    for size in sizes:
        share, inside, outside = (one[0, 0].numpy() for one in (mask_shares(soft, size), *regions(soft, size, edge)))
        maps.append(MapRegions(share, inside > 0, outside > 0))
    return MaskRegions(pair.name, mask, seen["image"], seen["mask"][0], tuple(maps))


def _images(one: MaskRegions) -> list[npt.NDArray[Any]]:
    side = one.fake.shape[1::-1]
    on_maps = [
        picture
        for on in one.maps
        for picture in (
            cv2.resize(on.share, side, interpolation=cv2.INTER_NEAREST),
            region_overlay(one.fake, on.inside, on.outside),
        )
    ]
    return [one.fake, one.soft, *on_maps]


def _below(one: MaskRegions) -> list[str]:
    counts = (f"{on.inside.sum():,} in, {on.discarded.sum():,} discarded" for on in one.maps)
    return ["", "", *(line for count in counts for line in ("", count))]
