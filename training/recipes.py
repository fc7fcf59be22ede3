"""Batch recipes: in which order an epoch shows the faces, and what a training sample and a batch are made of."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch
from torch import Tensor

from config.errors import InputError
from config.schema import DetectorConfig
from preprocessing.margins import tight_crop
from preprocessing.operators import to_network_landmark, to_network_mask, to_network_size
from preprocessing.samples import Faces, Sample
from preprocessing.shared import SharedColumns
from training import RECIPE
from training.augment import augment

T = TypeVar("T")
Indices = npt.NDArray[np.int64]
TrainingSample = dict[str, npt.NDArray[np.generic]]
"""Entries of `data_dict` without the batch axis. An image may be (R, R, 3) uint8, a quarter of the bytes for a loading
process to send: the whole batch is then normalised on the network's device (preprocessing.tensors.to_network)."""


class TrainingFaces(Faces, Protocol):
    """Faces to train on, such as `preprocessing.samples.FaceSet`."""

    @property
    def sha256(self) -> str:
        """Hash of which faces these are; a run is resumed with the same ones."""


class DescribedFaces(TrainingFaces, Protocol):
    """Faces of which more is known than whether they are real."""

    @property
    def rows(self) -> pd.DataFrame:
        """A row for each face, with its forgery `method`."""


class Recipe(ABC):
    """How batches are made of faces. A subclass says at least how an epoch is cut into batches.

    Attributes:
        members: how many images a batch has of each entry of `batches`.
        unit: the share that a process takes of a batch is a multiple of this.
        needs_landmark: whether the faces must come with landmarks, although the network is not given any.
        labels: which faces it reads, 0 for real and 1 for fake ones.
        makes_fakes: whether samples are made by the configuration's `pseudofake`.
        stored_mask: whether the masks that a network is given are stored ones; False where the recipe makes them.
        methods: names of the forgery methods that samples have the number of, from 1; empty where they have none.

    Args:
        faces: what to train on.
        config: batch size, resolution, normalisation, augmentation, and whether landmarks and masks are wanted.

    Raises:
        InputError: there are no faces, or a pseudofake is configured of which the recipe makes nothing.
    """

    members: ClassVar[int] = 1
    unit: ClassVar[int] = 1
    needs_landmark: ClassVar[bool] = False
    labels: ClassVar[tuple[int, ...]] = (0, 1)
    makes_fakes: ClassVar[bool] = False
    stored_mask: ClassVar[bool] = True
    methods: tuple[str, ...] = ()

    def __init__(self, faces: Faces, config: DetectorConfig) -> None:
        if not len(faces):
            raise InputError("there is no face to train on")
        if config.pseudofake is not None and not self.makes_fakes:
            raise InputError(
                f"pseudofake: batch recipe '{config.dataset_type}' makes no fakes; expected a dataset_type that does, "
                "such as real_with_pseudofake"
            )
        self.faces = faces
        self.config = config

    @abstractmethod
    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """One epoch: the faces of each batch, in random order. All batches of all epochs have the same size.

        Args:
            rng: source of the order.
        """

    def share(self, batch: Sequence[T], rank: int, size: int) -> Sequence[T]:
        """The part of a batch that one of several processes takes: every `size`-th face, so that halves stay halves.

        Args:
            batch: whatever stands for the faces of a batch, in the order of `batches`.
            rank: which process, from 0.
            size: how many there are.

        Raises:
            InputError: the parts would not be equally large, so that their mean would not be the batch's.
        """
        needed = self.unit * size
        if len(batch) % needed:
            raise InputError(
                f"train_batchSize: batch recipe '{self.config.dataset_type}' on {size} processes needs a multiple of "
                f"{needed}, and a batch has {len(batch)} faces"
            )
        return batch[rank::size]

    @classmethod
    def reconstructed_by(cls, config: DetectorConfig) -> tuple[str, ...]:
        """The kinds of reconstructions that samples are made of; each real face must have one of each.

        Args:
            config: of the detector.
        """
        return ()

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """What one face contributes to a batch.

        A loose crop is cut to its box with margins drawn for each side.

        Args:
            index: which face.
            rng: source of margins and augmentation, its own for each face and epoch.

        Raises:
            InputError: landmarks or masks are wanted and the face has none.
        """
        return self.view(self.faces.read(index), int(self.faces.labels[index]), rng)

    def view(self, face: Sample, label: int, rng: np.random.Generator) -> TrainingSample:
        """A face with margins and augmentation drawn for it, as a network sees it; arguments and errors as `sample`."""
        if face.box is not None:
            face = tight_crop(face, rng.uniform(*self.config.margins.train, 4).tolist())
        if self.config.use_data_augmentation:
            face = augment(face, self.config.data_aug, rng)
        return network_sample(face, label, self.config)

    def collate(self, samples: Sequence[TrainingSample]) -> dict[str, Tensor]:
        """Samples as a batch on the CPU, entry by entry."""
        return {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in samples[0]}


def network_sample(face: Sample, label: int, config: DetectorConfig) -> TrainingSample:
    """A face as a network sees it, with its label; the image is (R, R, 3) uint8.

    Raises:
        InputError: landmarks or masks are wanted and the face has none.
    """
    height, width = face.image.shape[:2]
    sample: TrainingSample = {
        "image": to_network_size(face.image, config.resolution),
        "label": np.array(label, np.int64),
    }
    if config.with_landmark:
        if face.landmark is None:
            raise InputError("with_landmark is set, but the stored face has no landmarks")
        sample["landmark"] = to_network_landmark(face.landmark, height, width, config.resolution)
    if config.with_mask:
        if face.mask is None:
            raise InputError("with_mask is set, but the stored face has no mask")
        sample["mask"] = to_network_mask(face.mask, config.resolution)
    return sample


def stacked(images: Sequence[TrainingSample]) -> TrainingSample:
    """The images that one face stands for as one sample: each entry has a row for each of them."""
    return {key: np.stack([image[key] for image in images]) for key in images[0]}


def member_by_member(samples: Sequence[TrainingSample]) -> dict[str, Tensor]:
    """Samples of several images each as a batch on the CPU: all first images, then all second ones, and so on."""
    columns = {key: np.stack([sample[key] for sample in samples], axis=1) for key in samples[0]}
    return {key: torch.from_numpy(value.reshape(-1, *value.shape[2:])) for key, value in columns.items()}


@RECIPE.register_module(module_name="frames")
class Frames(Recipe):
    """Every face once per epoch, in random order, real and fake as they come.

    What is left over after the last full batch, other faces in each epoch, is left out, so that all steps weigh the
    same; only a set smaller than one batch is used as it is.
    """

    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """A random order of all faces, cut into full batches."""
        return cut(rng.permutation(len(self.faces)), self.config.train_batchSize)


@RECIPE.register_module(module_name="two_views")
class TwoViews(Frames):
    """Every face once per epoch, in random order, each in two views with margins and augmentation of their own (CORE).

    A batch holds the first views of its faces, then the second ones in the same order.

    Raises:
        InputError: the batch size is odd.
    """

    members = 2

    def __init__(self, faces: Faces, config: DetectorConfig) -> None:
        super().__init__(faces, config)
        if config.train_batchSize % self.members:
            raise InputError(
                f"train_batchSize: batch recipe 'two_views' needs an even number, not {config.train_batchSize}"
            )

    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """A random order of all faces, cut into batches of half as many as there are images in one."""
        return cut(rng.permutation(len(self.faces)), self.config.train_batchSize // self.members)

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """Both views of a face, stacked: each entry of `data_dict` has two rows; errors as the base class's."""
        face, label = self.faces.read(index), int(self.faces.labels[index])
        return stacked([self.view(face, label, rng) for _ in range(self.members)])

    def collate(self, samples: Sequence[TrainingSample]) -> dict[str, Tensor]:
        """Samples as a batch on the CPU, entry by entry; all first views, then all second ones."""
        return member_by_member(samples)


@RECIPE.register_module(module_name="balanced")
class Balanced(Recipe):
    """As many real as fake faces in each batch, reals first.

    An epoch goes once through the larger class; the smaller one is gone through as often as that takes, each time in
    a new order.

    Raises:
        InputError: the batch size is odd, or one class is missing.
    """

    unit = 2

    def __init__(self, faces: Faces, config: DetectorConfig) -> None:
        super().__init__(faces, config)
        name = config.dataset_type
        if config.train_batchSize % 2:
            raise InputError(
                f"train_batchSize: batch recipe '{name}' needs an even number, not {config.train_batchSize}"
            )
        for kind, members in zip(("real", "fake"), self._classes(), strict=True):
            if not len(members):
                raise InputError(f"batch recipe '{name}' needs both classes, but no training face is {kind}")

    def batches(self, rng: np.random.Generator) -> list[Indices]:
        """Halves of real and fake faces, joined."""
        classes = self._classes()
        length = max(len(members) for members in classes)
        half = self.config.train_batchSize // 2
        real, fake = (cut(repeated_order(members, length, rng), half) for members in classes)
        return [np.concatenate(pair) for pair in zip(real, fake, strict=True)]

    def _classes(self) -> list[Indices]:
        """Real and fake faces; found anew each time, so that no worker process is sent them."""
        return [np.flatnonzero(self.faces.labels == label) for label in (0, 1)]


@RECIPE.register_module(module_name="pair")
class Pair(Balanced):
    """As `balanced`, each fake with a real face of any video as its partner, and with the method it was made by (UCF).

    Partners are the faces at the same places of both halves of a batch. Samples have `label_spe`, 0 for a real and from
    1 the place of the fake's method among `methods`, by name: of FaceForensics++ DeepfakeBench's numbers.
    """

    def __init__(self, faces: DescribedFaces, config: DetectorConfig) -> None:
        super().__init__(faces, config)
        made_by = faces.rows["method"].astype(str).to_numpy()
        found = np.unique(made_by[faces.labels == 1])
        self.methods = tuple(found.tolist())
        numbers = np.where(faces.labels == 1, np.searchsorted(found, made_by) + 1, 0)
        self._numbers = SharedColumns(pa.table({"label_spe": numbers}))

    def sample(self, index: int, rng: np.random.Generator) -> TrainingSample:
        """What one face contributes to a batch, with the number of its method; errors as the base class's."""
        number = np.array(self._numbers.value("label_spe", index), np.int64)
        return super().sample(index, rng) | {"label_spe": number}


def repeated_order(members: Indices, length: int, rng: np.random.Generator) -> Indices:
    """`length` entries made of random orders of the members, one after the other."""
    rounds = -(-length // len(members))
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:length]


def cut(order: Indices, size: int) -> list[Indices]:
    """Consecutive batches of `size`, the remainder dropped; an order shorter than one batch is one batch."""
    full = len(order) // size
    return [order[i * size : (i + 1) * size] for i in range(full)] or [order]
