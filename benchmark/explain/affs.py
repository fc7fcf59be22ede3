"""`assay explain affs`: channels by how much their change looks like the mask, and which AFFS has kept (FIA-USA)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmark.explain.inputs import as_seen, name_of
from benchmark.explain.material import Material, Pair, make_pairs
from benchmark.loading import Trained, load_detector
from config.errors import InputError
from detectors.fia_usa.detector import FIAUSA, halves
from detectors.fia_usa.selection import ChannelErrors, response
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.plots.style import GREEN
from evaluation.prediction import inference
from evaluation.tables import Column, Table
from preprocessing.tensors import to_network
from training.recipes import network_sample

FIRST_STAGE = 2
"""The paper's number of the stage at stride 4."""


@dataclass(frozen=True, slots=True)
class RankedChannels:
    """The channels of a detector's stage, by L_AFFS (equation 3) over some pairs.

    Attributes:
        name: of the detector.
        errors: (C,) of each channel, in [0, 1].
        kept: (C,) whether AFFS has kept it.
        pairs: (N,) names of the faces.
        faces: (N, 3) images of each pair as the detector sees them: the real face, its fake, and the mask.
        maps: (N, 3, C, h, w) of each pair the map of the real face and that of its fake, scaled to [0, 1] together, and
            their difference as AFFS has it.
        notes: what a reader must know of its weights.
    """

    name: str
    errors: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]
    pairs: tuple[str, ...]
    faces: Sequence[Sequence[npt.NDArray[Any]]]
    maps: npt.NDArray[np.float32]
    notes: tuple[str, ...]

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """(C,) the channels, that with the smallest error first; of equal ones those that come first."""
        return np.argsort(self.errors, kind="stable")

    @property
    def agreeing(self) -> int:
        """How many of the kept channels would be kept again by these errors."""
        return int(self.kept[self.order[: self.kept.sum()]].sum())


@dataclass(frozen=True, slots=True)
class ChannelSheet:
    """Ranked channels of several detectors on the same pairs.

    Attributes:
        ranked: of each detector.
        stage: from 2 for stride 4 to 5 for stride 32.
        best: how many channels with the smallest errors are shown.
        worst: how many with the largest.
        source: which pairs they are, in words.
    """

    ranked: tuple[RankedChannels, ...]
    stage: int
    best: int
    worst: int
    source: str

    def figure(self) -> Figure:
        """A group for each detector, with rows real, fake and difference for each pair; a column for each channel."""
        last = [f"last - {number}" if number else "last" for number in reversed(range(self.worst))]
        steps = ["face", *(str(number + 1) for number in range(self.best)), *last]
        return step_sheet([self._group(one) for one in self.ranked], steps, self.caption())

    def caption(self) -> str:
        """How the maps came about and are to be read."""
        sentences = [
            self.source,
            "channels by L_AFFS over these pairs, which stands below, the smallest first",
            "AFFS has kept those in a green frame",
            "maps of a real face and its fake are scaled together, their difference as AFFS has it",
            *dict.fromkeys(note for one in self.ranked for note in one.notes),
        ]
        return "; ".join(sentences)

    def table(self) -> Table:
        """The error of each channel shown, and whether it is kept."""
        shown = [(one, channel) for one in self.ranked for channel in self._shown(one)]
        return Table(
            caption=f"Channels of stage {self.stage} by L_AFFS",
            row_header="Detector: channel",
            rows=tuple(f"{one.name}: {channel}" for one, channel in shown),
            columns=(Column("rank", None, format=".0f"), Column("L_AFFS", None), Column("kept", None, format=".0f")),
            values=tuple(
                (float(one.order.tolist().index(channel) + 1), float(one.errors[channel]), float(one.kept[channel]))
                for one, channel in shown
            ),
        )

    def _shown(self, one: RankedChannels) -> list[int]:
        order = one.order.tolist()
        return order[: self.best] + order[len(order) - self.worst :]

    def _group(self, one: RankedChannels) -> StepRows:
        shown = self._shown(one)
        numbers = ["", *(f"channel {channel}" for channel in shown)]
        errors = ["", *(f"{one.errors[channel]:.4f}" for channel in shown)]
        images, labels, below = list[list[npt.NDArray[Any] | None]](), list[str](), list[list[str]]()
        for name, faces, maps in zip(one.pairs, one.faces, one.maps, strict=True):
            images += [
                [face, *(of_kind[channel] for channel in shown)] for face, of_kind in zip(faces, maps, strict=True)
            ]
            labels += [f"{name}\nreal", "fake", "mask,\ndifference"]
            below += [numbers, [""] * len(numbers), errors]
        count = one.kept.sum()
        kept = f"{count} of {len(one.kept)} channels kept, {one.agreeing} of them among the {count} best here"
        frames = ["none", *(GREEN if one.kept[channel] else "none" for channel in shown)]
        return StepRows(f"{one.name}   stage {self.stage}: {kept}", images, labels, below, frames)


def rank_channels(
    weights: Sequence[Path],
    material: Material,
    *,
    rows: int = 1,
    seed: int = 0,
    stage: int = FIRST_STAGE,
    best: int = 14,
    worst: int = 4,
    overrides: Sequence[str] = (),
    device: str = "cpu",
) -> ChannelSheet:
    """Measure the channels of a stage on pairs, without augmentation and with the weights that the runs ended with.

    Args:
        weights: of each detector the run folder or weights file.
        material: a composition, and the faces that it makes fakes of.
        rows: how many pairs.
        seed: of their draws.
        stage: from 2 for stride 4 to 5 for stride 32.
        best: how many channels with the smallest errors are shown.
        worst: how many with the largest.
        overrides: assignments to each detector's configuration.
        device: where the detectors run.

    Raises:
        InputError: weights or device are not there or do not fit, a detector does not choose channels, or its stage has
            fewer than are shown; a face cannot be read, or no fake can be made of it.
    """
    pairs, ranked = make_pairs(material, range(min(rows, len(material.faces.rows))), seed), []
    for path in weights:
        trained = load_detector(path, None, overrides, device)
        ranked.append(_ranked(name_of(path, trained), trained, pairs, stage - FIRST_STAGE))
        if best + worst > len(ranked[-1].kept):
            raise InputError(
                f"--best {best} and --worst {worst}: stage {stage} of {path} has {len(ranked[-1].kept)} channels"
            )
    (composition,) = material.settings
    source = f"{material.caption()}; fakes: {composition}, drawn with seed {seed}"
    return ChannelSheet(tuple(ranked), stage, best, worst, source)


def _ranked(name: str, trained: Trained, pairs: Sequence[Pair], level: int) -> RankedChannels:
    """The channels of the stage at a level of the pyramid."""
    detector, config = trained.detector, trained.config
    if not isinstance(detector, FIAUSA) or detector.pyramid.affs is None:
        what = f"{config.model_name} without options.affs" if isinstance(detector, FIAUSA) else config.model_name
        raise InputError(
            f"{trained.weights}: {what} has no channels that AFFS has kept; expected fia_usa with options.affs"
        )
    faces = [*(one.real for one in pairs), *(one.fake for one in pairs)]
    samples = [network_sample(as_seen(face, config), 0, config) for face in faces]
    images, masks = (np.stack([sample[key] for sample in samples]) for key in ("image", "mask"))
    data = {"image": torch.from_numpy(images), "mask": torch.from_numpy(masks)}
    batch = to_network(data, config, trained.device)
    with inference(trained.device, "fp32"):
        real, fake = halves(detector.eval().backbone.stages(batch["image"])[level])
    _, mask = halves(batch["mask"])
    errors = ChannelErrors(detector.options.difference)
    errors.add([real], [fake], mask)
    maps = torch.stack([*_scaled_together(real, fake), response(real, fake, detector.options.difference)], 1)
    (measured,), kept = errors.means(), detector.pyramid.affs.kept[level].cpu().numpy()
    count = len(pairs)
    return RankedChannels(
        name,
        measured.cpu().numpy(),
        np.isin(np.arange(len(measured)), kept),
        tuple(one.name for one in pairs),
        list(zip(images[:count], images[count:], masks[count:, 0], strict=True)),
        maps.cpu().numpy(),
        trained.notes,
    )


def _scaled_together(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (n, C, h, w) from the least to the largest value of both, of each pair and channel, as 0 to 1."""
    low = torch.minimum(real, fake).amin((2, 3), keepdim=True)
    reach = torch.maximum(real, fake).amax((2, 3), keepdim=True) - low
    real, fake = ((one - low) / reach.clamp(min=torch.finfo(one.dtype).tiny) for one in (real, fake))
    return real, fake
