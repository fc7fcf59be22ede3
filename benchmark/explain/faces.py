"""The faces that an explanation shows: cut out of photographs, or read from a face store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from benchmark.demo.portraits import SUFFIXES, find_pictures
from config.errors import InputError
from config.schema import Margins, Profile
from evaluation.plots.planes import REAL
from preprocessing.clips import Image, read_image
from preprocessing.faces import Face
from preprocessing.landmarks import Predictor
from preprocessing.loose import make_cropper
from preprocessing.margins import tight_crop
from preprocessing.reconstruction.autoencoder import load_autoencoder
from preprocessing.reconstruction.reconstructor import Reconstructor
from preprocessing.reconstruction.super_resolution import load_super_resolver
from preprocessing.samples import FaceSet, Sample, open_faces
from training.pseudofakes.partners import landmarks_of


@dataclass(frozen=True, slots=True)
class Photographs:
    """Faces cut out of photographs, that are read like a `FaceSet`'s.

    Attributes:
        rows: a row for each face, with the photograph as its `video_id`.
        samples: the faces, with landmarks.
        is_loose: whether the crops are loose ones.
    """

    rows: pd.DataFrame
    samples: Sequence[Sample]
    is_loose: bool

    def read(self, index: int) -> Sample:
        """A face with its landmarks."""
        return self.samples[index]

    def landmarks(self, index: int) -> npt.NDArray[np.float32]:
        """(81, 2) landmarks of a face."""
        return landmarks_of(self.samples[index])


ShownFaces = FaceSet | Photographs


def photographs(folder: Path, profile: Profile, predictor: Predictor, count: int | None = None) -> Photographs:
    """The first face of each photograph below a folder, by path; those without a face are passed over.

    Args:
        folder: with jpg and png files.
        profile: how faces are cut out.
        predictor: of the landmarks.
        count: stop after so many faces; None for all.

    Raises:
        InputError: there is no such folder or no photograph in it, or none has a face.
    """
    found = found_faces(folder, profile, predictor, count)
    names = [one.name for one in found]
    return Photographs(pd.DataFrame({"video_id": names}), [one.sample for one in found], profile.crop == "loose")


@dataclass(frozen=True, slots=True)
class FoundFace:
    """The first face of a photograph.

    Attributes:
        name: of the photograph, below its folder, without suffix.
        picture: (H, W, 3) uint8 BGR.
        face: where it is, and its crop.
    """

    name: str
    picture: Image
    face: Face

    @property
    def sample(self) -> Sample:
        """The face as it would be read from a store, with landmarks."""
        image = cv2.cvtColor(self.face.crop, cv2.COLOR_BGR2RGB)
        return Sample(image, self.face.landmarks.astype(np.float32), box=self.face.box_in_crop)


def found_faces(folder: Path, profile: Profile, predictor: Predictor, count: int | None = None) -> list[FoundFace]:
    """The first face of each photograph below a folder, with the photograph. Arguments and errors as `photographs`."""
    if not folder.is_dir():
        raise InputError(f"no such folder of photographs: {folder}")
    paths = find_pictures(folder)
    if not paths:
        raise InputError(f"{folder} holds no photographs; expected files of {', '.join(SUFFIXES)}")
    found = list(islice(_cut_out(folder, paths, profile, predictor), count))
    if not found:
        raise InputError(f"{folder}: no face was found in any of {len(paths)} photographs")
    return found


def stored_faces(data: Path, dataset: str, profile: str) -> FaceSet:
    """A real face of each training video of a preprocessed data set.

    Raises:
        InputError: it is not preprocessed, or has no real face to train on.
    """
    return open_faces(data, [dataset], "train", profile=profile, frames=1, with_landmark=True, labels=(0,))


def chosen_faces(rows: pd.DataFrame, per_class: int, seed: int) -> pd.DataFrame:
    """Rows of some faces of each class, reals first, then each manipulation in the order of the data set.

    Args:
        rows: manifest rows of faces.
        per_class: videos of each class, drawn evenly; of each the face of its middle frame.
        seed: of the draws; of classes with equally many videos those in the same places are drawn.
    """
    kind = rows["method"].astype(str).where(rows["label"] == 1, "")
    chosen = []
    for name in sorted(kind.unique(), key=lambda name: (name != "", kind.tolist().index(name))):
        of_class = rows[kind == name]
        videos = of_class["video_id"].unique()
        for video in sorted(np.random.default_rng(seed).permutation(len(videos))[:per_class]):
            frames = of_class[of_class["video_id"] == videos[video]]
            chosen.append(frames.iloc[[(len(frames) - 1) // 2]])
    return pd.concat(chosen, ignore_index=True)


def kinds_of(rows: pd.DataFrame) -> npt.NDArray[np.object_]:
    """What each row's face is: "real", or by which manipulation."""
    return np.where(rows["label"] == 1, rows["method"].astype(str), REAL).astype(object)


def seen_face(face: Sample) -> Image:
    """A face as it is seen in an evaluation, (H, W, 3) uint8 RGB: a loose crop is cut with the usual margins."""
    return face.image if face.box is None else tight_crop(face, [Margins().test] * 4).image


class Reconstructions:
    """What networks make of faces: as it is stored with each, else by the project's substitutes as it is asked for.

    Args:
        faces: which faces.
        device: where the substitutes run.

    Raises:
        InputError: different models made what is stored.
    """

    def __init__(self, faces: ShownFaces, device: torch.device) -> None:
        self._faces = faces
        self._device = device
        self._stored = faces.reconstructions() if isinstance(faces, FaceSet) else {}
        self._loaded: dict[str, Reconstructor] = {}
        self._made_by: dict[str, dict[str, None]] = {}

    @property
    def makers(self) -> dict[str, str]:
        """What made those that were asked for, in words, by kind."""
        return {kind: " and ".join(models) for kind, models in self._made_by.items()}

    def of(self, index: int, kind: str) -> Image:
        """The reconstruction of a face, (H, W, 3) uint8 RGB."""
        models, faces = self._made_by.setdefault(kind, {}), self._faces
        if kind in self._stored and isinstance(faces, FaceSet) and faces.is_reconstructed(index, kind):
            models[str(self._stored[kind])] = None
            return faces.reconstruction(index, kind)
        if kind not in self._loaded:
            load = {"autoencoder": load_autoencoder, "super_resolution": load_super_resolver}[kind]
            self._loaded[kind] = load(None, self._device)
        models[str(self._loaded[kind].model)] = None
        return self._loaded[kind](self._faces.read(index).image)


def _cut_out(folder: Path, paths: Sequence[Path], profile: Profile, predictor: Predictor) -> Iterator[FoundFace]:
    cropper = make_cropper(profile, predictor)
    for path in paths:
        picture = read_image(path)
        faces = [] if picture is None else cropper.faces(picture)
        if picture is not None and isinstance(faces, list) and faces:
            yield FoundFace(path.relative_to(folder).with_suffix("").as_posix(), picture, faces[0])


def drawn_evenly(kinds: npt.NDArray[np.object_], most: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """At most so many positions, as many of each kind as can be; a kind with fewer leaves its share to the others.

    Args:
        kinds: (N,) names.
        most: how many.
        rng: of the draws.

    Returns:
        Positions, ascending.
    """
    ranks = np.empty(len(kinds), np.int64)
    for name in dict.fromkeys(kinds):
        of_kind = np.flatnonzero(kinds == name)
        ranks[of_kind] = rng.permutation(len(of_kind))
    # By rank within its kind: all firsts, all seconds, ... The sort is stable, so that kinds stay in their order.
    return np.sort(np.argsort(ranks, kind="stable")[:most])
