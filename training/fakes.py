"""Batch recipes whose fakes are made while training: each sample is a real face and what was made of it.

All images of a sample share the flip, the changes after the blend, and the margins of a loose crop, so that only the
forgery tells them apart. A batch holds all reals, then all fakes of each kind in turn.
"""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from torch import Tensor

from config.errors import InputError
from config.pseudofake import Changes, PseudoFakeConfig, Reconstruction
from config.schema import DetectorConfig
from preprocessing import operators
from preprocessing.clips import Image
from preprocessing.margins import tight_crop
from preprocessing.samples import Sample
from preprocessing.shared import SharedColumns
from training import RECIPE
from training.augment import flip, rotate
from training.epoch import FAKE, REAL
from training.pseudofakes.compose import Attributes, PseudoFake, make_pseudo_fake
from training.pseudofakes.partners import Partners, PlacedFaces, find_partners, landmarks_of, partner_image
from training.pseudofakes.transforms import Photometric, apply, cut_hole, draw_final
from training.recipes import (
    Indices,
    Recipe,
    TrainingFaces,
    TrainingSample,
    cut,
    member_by_member,
    network_sample,
    stacked,
)

log = logging.getLogger(__name__)

_UNTOUCHED = Attributes(blending=False, identity=False, generative=False)
_DEEPFAKE = Attributes(blending=True, identity=True, generative=True)
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a sample.

    Attributes:
        face: its pixels, with the landmarks and the box of the face that it was made of, and its mask.
        attributes: what it has of a deepfake; a real face has none of them.
    """

    face: Sample
    attributes: Attributes

    @property
    def label(self) -> int:
        """0 real, 1 fake."""
        return REAL if self.attributes == _UNTOUCHED else FAKE


class StoredFaces(TrainingFaces, PlacedFaces, Protocol):
    """Faces of a FaceStore, with what is stored beside them: `preprocessing.samples.FaceSet`."""

    def reconstruction(self, index: int, kind: str) -> Image:
        """What a network made of a face."""


class SelfMade(Recipe):
    """A recipe that makes fakes. A subclass says what a sample is made of.

    Args:
        faces: what to train on.
        config: with the composition in `pseudofake`. `data_aug.flip_prob` is heeded, the other changes are the
            composition's (`pseudofake.final`).

    Raises:
        InputError: there is no composition or no real face, the batch size is no multiple of a sample's images, or
            there are too few videos for partners.
    """

    needs_landmark = True
    makes_fakes = True
    stored_mask = False
    labels: ClassVar[tuple[int, ...]] = (REAL,)
    has_partners: ClassVar[bool] = False

    def __init__(self, faces: StoredFaces, config: DetectorConfig) -> None:
        super().__init__(faces, config)
        name, size = config.dataset_type, config.train_batchSize
        if config.pseudofake is None:
            raise InputError(f"batch recipe '{name}' needs a pseudofake, such as sbi (assay list pseudofakes)")
        if size % self.members:
            raise InputError(f"train_batchSize: batch recipe '{name}' needs a multiple of {self.members}, not {size}")
        self.stored = faces
        self.settings = config.pseudofake
        if not len(self._reals()):
            raise InputError(f"batch recipe '{name}' makes fakes of real faces, but no training face is real")
        if self.has_partners or self.settings.source == "partner":
            _ = self.partners  # found here, so that worker processes are sent them

    @classmethod
    def reconstructed_by(cls, config: DetectorConfig) -> tuple[str, ...]:
        """The kinds that the composition has; none if there is no composition."""
        return config.pseudofake.reconstruction.kinds if config.pseudofake else ()

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """The images of a face, stacked: each entry of `data_dict` has `members` rows.

        Raises:
            InputError: no fake can be made of the face, or what it needs is not stored.
        """
        is_flipped = self.config.use_data_augmentation and rng.random() < self.config.data_aug.flip_prob
        members = self.make(index, is_flipped, rng)
        final = draw_final(self.settings.final, rng) if self.config.use_data_augmentation else Photometric()
        margins = rng.uniform(*self.config.margins.train, 4).tolist()
        return stacked([self._finished(member, final, margins) for member in members])

    def collate(self, samples: Sequence[TrainingSample]) -> dict[str, Tensor]:
        """Samples as a batch on the CPU, entry by entry; all first members, then all second ones, and so on."""
        return member_by_member(samples)

    @abstractmethod
    def make(self, index: int, is_flipped: bool, rng: np.random.Generator) -> list[Member]:
        """The images that a face stands for, reals first.

        Args:
            index: which face.
            is_flipped: whether they are mirrored.
            rng: source of all draws.
        """

    def blended(self, index: int, face: Sample, is_flipped: bool, rng: np.random.Generator) -> PseudoFake:
        """A fake of a face by the composition.

        Args:
            index: which face.
            face: its pixels and landmarks, mirrored already if `is_flipped`.
            is_flipped: what its reconstruction, and its partner, must be as well.
            rng: source of all draws.
        """
        return make_pseudo_fake(
            face.image,
            landmarks_of(face),
            self.settings,
            rng,
            partner=self._partner(index, face, is_flipped, rng) if self.settings.source == "partner" else None,
            reconstruct=partial(self._reconstruction, index, is_flipped),
        )

    def crossed(self, index: int, face: Sample, is_flipped: bool, rng: np.random.Generator) -> PseudoFake:
        """Likewise with the face of a partner, whose colours are brought to the face's (CBI)."""
        partner = self._partner(index, face, is_flipped, rng)
        return make_pseudo_fake(face.image, landmarks_of(face), _crossing(self.settings), rng, partner=partner)

    def read(self, index: int, is_flipped: bool) -> Sample:
        """A face with its landmarks, mirrored if asked for."""
        face = self.faces.read(index)
        return flip(face) if is_flipped else face

    def _reals(self) -> Indices:
        """The real faces; found anew each time, so that no worker process is sent them."""
        return np.flatnonzero(self.faces.labels == REAL)

    def _finished(self, member: Member, final: Photometric, margins: Sequence[float]) -> TrainingSample:
        """An image as a network sees it, with what all images of a sample share."""
        face = replace(member.face, image=apply(member.face.image, final))
        if face.box is not None:
            face = tight_crop(face, margins)
        if final.turn is not None:
            face = rotate(face, final.turn)
        mask = face.mask if face.mask is None else cut_hole(face.mask, final)
        sample = network_sample(replace(face, image=cut_hole(face.image, final), mask=mask), member.label, self.config)
        return sample | {"attributes": member.attributes.as_array()}

    def _reconstruction(self, index: int, is_flipped: bool, kind: str) -> Image:
        image = self.stored.reconstruction(index, kind)
        return operators.flip(image) if is_flipped else image

    def _partner(self, index: int, face: Sample, is_flipped: bool, rng: np.random.Generator) -> Image:
        return partner_image(self.read(self.partners.draw(index, rng), is_flipped), face)

    @cached_property
    def partners(self) -> Partners:
        """The partners of all real faces."""
        return find_partners(self.stored, self._reals(), self.settings.nearest)


@RECIPE.register_module(module_name="real_with_pseudofake")
class RealWithPseudofake(SelfMade):
    """Every real face once per epoch, in random order, each with a fake of it: SBI's batches."""

    members = 2

    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """A random order of the real faces, cut into full batches."""
        return cut(rng.permutation(self._reals()), self.config.train_batchSize // self.members)

    def make(self, index: int, is_flipped: bool, rng: np.random.Generator) -> list[Member]:
        """The real face, as it was blended into, and the fake."""
        face = self.read(index, is_flipped)
        made = self.blended(index, face, is_flipped, rng)
        return [_real(face, made), _fake(face, made)]


@RECIPE.register_module(module_name="aligned_triplet")
class AlignedTriplet(RealWithPseudofake):
    """Every real face once per epoch with two fakes of it, by the composition and crossed: real, SBI, CBI (ProDet)."""

    members = 3
    has_partners = True

    def make(self, index: int, is_flipped: bool, rng: np.random.Generator) -> list[Member]:
        """The real face, the fake made of it, and the one crossed into the same real face."""
        face = self.read(index, is_flipped)
        made = self.blended(index, face, is_flipped, rng)
        real = _real(face, made)
        return [real, _fake(face, made), _fake(face, self.crossed(index, real.face, is_flipped, rng))]


@RECIPE.register_module(module_name="aligned_quadruplet")
class AlignedQuadruplet(AlignedTriplet):
    """Every fake face once per epoch, behind the real face that it was made of and two fakes of that one (ProDet).

    The real face is of the target's video, in the frame nearest to the fake's. A fake whose target is not there, or of
    whose target there are several videos, is left out.

    Raises:
        InputError: no fake has its target.
    """

    members = 4
    stored_mask = True
    labels = (REAL, FAKE)

    def __init__(self, faces: StoredFaces, config: DetectorConfig) -> None:
        super().__init__(faces, config)
        target = targets(faces.rows)
        fakes = faces.labels == FAKE
        lost = int((fakes & (target == _NOBODY)).sum())
        if lost == fakes.sum():
            raise InputError("batch recipe 'aligned_quadruplet' needs fakes whose target's own video is trained on too")
        if lost:
            log.warning("aligned_quadruplet: %d of %d fake faces are left out for want of a target", lost, fakes.sum())
        self._targets = SharedColumns(pa.table({"target": target}))

    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """A random order of the fake faces that have a target, cut into full batches."""
        usable = np.flatnonzero(self._targets.numbers("target") != _NOBODY)
        return cut(rng.permutation(usable), self.config.train_batchSize // self.members)

    def make(self, index: int, is_flipped: bool, rng: np.random.Generator) -> list[Member]:
        """Real, fake made of it, crossed fake, deepfake."""
        made = super().make(self._targets.value("target", index), is_flipped, rng)
        return [*made, Member(self.read(index, is_flipped), _DEEPFAKE)]


def targets(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """For each fake face the real one of its target's video whose frame is nearest; -1 for reals, and where none is.

    Args:
        rows: manifest rows, numbered from 0.
    """
    known = rows.assign(row=np.arange(len(rows)), whole=rows["video_id"].str.partition("/")[0])
    same = ["whole", "compression", "identity_target"]
    known = known[known["identity_target"] != ""].sort_values("frame", kind="stable")
    reals = known[known["label"] == REAL]
    reals = reals[reals.groupby(same)["video_id"].transform("nunique") == 1]
    pairs = pd.merge_asof(
        known.loc[known["label"] == FAKE, ["frame", "row", *same]],
        reals[["frame", "row", *same]].rename(columns={"row": "real"}),
        on="frame",
        by=same,
        direction="nearest",
    ).dropna(subset="real")
    found = np.full(len(rows), _NOBODY, np.int64)
    found[pairs["row"].to_numpy()] = pairs["real"].to_numpy(np.int64)
    return found


def _crossing(settings: PseudoFakeConfig) -> PseudoFakeConfig:
    changes = Changes(colour=False, frequency=False)
    return settings.model_copy(
        update={"source": "partner", "colour_transfer": True, "changes": changes, "reconstruction": Reconstruction()}
    )


def real_sample(face: Sample, made: PseudoFake) -> Sample:
    """The real face of a pair as it would be read from a store, with an empty mask."""
    return replace(face, image=made.real, mask=np.zeros(made.mask.shape, np.uint8))


def fake_sample(face: Sample, made: PseudoFake) -> Sample:
    """The fake of a face likewise, with the soft mask of what was changed."""
    return replace(face, image=made.fake, mask=np.rint(made.mask * np.float32(255)).astype(np.uint8))


def _real(face: Sample, made: PseudoFake) -> Member:
    return Member(real_sample(face, made), _UNTOUCHED)


def _fake(face: Sample, made: PseudoFake) -> Member:
    return Member(fake_sample(face, made), made.attributes)
