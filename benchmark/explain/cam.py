"""`assay explain cam`: in which parts of faces detectors see what speaks for "fake"."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from benchmark.explain.faces import Reconstructions, chosen_faces, kinds_of
from benchmark.explain.inputs import as_seen, data_of, name_of
from benchmark.explain.material import Material, make_pairs
from benchmark.loading import Trained, device_named, load_detector
from config.errors import InputError
from config.load import load_config
from config.pseudofake import PseudoFakeConfig
from evaluation.gradcam import grad_cam
from evaluation.plots.explanations import LINE_AT, heat_overlay
from evaluation.plots.sheets import StepRows, step_sheet
from evaluation.tables import Column, Table
from preprocessing.samples import BrokenSampleError, FaceSet, Sample, open_faces
from preprocessing.store import FaceStore, mask_key

NAME_WIDTH = 20  # letters of a line above an image
LABEL_WIDTH = 19  # and beside it


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector makes of some faces.

    Attributes:
        name: of the detector.
        faces: (N,) as it sees them: a loose crop is cut to the face.
        maps: (N, h, w) Grad-CAM, in [0, 1].
        prob: (N,) P(fake).
        notes: what a reader must know of its weights.
    """

    name: str
    faces: list[Sample]
    maps: npt.NDArray[np.float32]
    prob: npt.NDArray[np.float32]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CamSheet:
    """Grad-CAM of several detectors on the same faces.

    Attributes:
        rows: (N,) manifest rows of the faces; of a pseudo-fake those of its real face, as a fake.
        seen: what each detector makes of them.
        source: which faces they are, in words.
    """

    rows: pd.DataFrame
    seen: list[Seen]
    source: str

    def figure(self) -> Figure:
        """A row for each face: the crop, each detector's map with P(fake), and the mask if any face has one."""
        names = [textwrap.fill(one.name, NAME_WIDTH) for one in self.seen]
        steps = ["face", *names, *(["mask"] if self._has_masks() else [])]
        kinds = kinds_of(self.rows)
        groups = []
        for kind in pd.unique(kinds):
            shown = np.flatnonzero(kinds == kind).tolist()
            labels = ["\n".join(textwrap.fill(part, LABEL_WIDTH) for part in self._name(one)) for one in shown]
            groups.append(StepRows(kind, [self._images(one) for one in shown], labels, [*map(self._below, shown)]))
        return step_sheet(groups, steps, self.caption())

    def caption(self) -> str:
        """How the maps came about and are to be read."""
        cells = ", ".join(f"{one.name} {one.maps.shape[2]} x {one.maps.shape[1]}" for one in self.seen)
        sentences = [
            self.source,
            "Grad-CAM of the logit of fake, and P(fake) below it",
            f"each map is divided by its own maximum: dark 0, yellow 1, inside the white line above {LINE_AT}; all of "
            "it is dark where nothing speaks for fake",
            f"cells of a map: {cells}",
            *dict.fromkeys(note for one in self.seen for note in one.notes),
        ]
        return "; ".join(sentences)

    def table(self) -> Table:
        """P(fake) of each face by each detector."""
        return Table(
            caption="P(fake) of the faces shown",
            row_header="Face",
            rows=tuple(f"{kind}: {', '.join(self._name(index))}" for index, kind in enumerate(kinds_of(self.rows))),
            columns=tuple(Column(one.name, None) for one in self.seen),
            values=tuple(tuple(float(one.prob[index]) for one in self.seen) for index in range(len(self.rows))),
        )

    def _has_masks(self) -> bool:
        return any(face.mask is not None for face in self.seen[0].faces)

    def _name(self, index: int) -> tuple[str, str]:
        row = self.rows.iloc[index]
        return PurePosixPath(row["video_id"]).name, f"frame {row['frame']}"

    def _images(self, index: int) -> list[npt.NDArray[Any] | None]:
        face = self.seen[0].faces[index]
        maps = [heat_overlay(one.faces[index].image, one.maps[index]) for one in self.seen]
        mask = [None if face.mask is None else face.mask / 255] if self._has_masks() else []
        return [face.image, *maps, *mask]

    def _below(self, index: int) -> list[str]:
        return ["", *(f"{one.prob[index]:.2f}" for one in self.seen), *([""] if self._has_masks() else [])]


def cam_figure(weights: Sequence[Path], dataset: str, data: Path, **options: Any) -> Figure:
    """Grad-CAM of one or several detectors on the same faces; arguments and errors as for `cam_sheet`."""
    return cam_sheet(weights, dataset, data, **options).figure()


def cam_sheet(
    weights: Sequence[Path],
    dataset: str,
    data: Path,
    *,
    split: str = "test",
    per_class: int = 2,
    seed: int = 0,
    profile: str = "dfb",
    pseudofake: str | None = None,
    detector_name: str | None = None,
    overrides: Sequence[str] = (),
    device: str = "cpu",
) -> CamSheet:
    """Choose faces of each class, and explain what each detector sees in them.

    A composition adds a fake of each real face shown, whose mask is known also where the data set has none.

    Args:
        weights: of each detector the run folder or weights file.
        dataset: preprocessed data set whose faces are shown.
        data: folder of stores and manifests.
        split: of the data set.
        per_class: faces of the reals and of each manipulation.
        seed: of the choice of faces.
        profile: name of the preprocessing profile.
        pseudofake: composition of fakes that are made of the reals shown; None for none.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to each detector's configuration.
        device: where the detectors run, one after the other.

    Raises:
        InputError: weights, data set or device are not there or do not fit, a face cannot be read, no such fake can be
            made of it, or a detector has no map that Grad-CAM could explain.
    """
    shown, seen = _Shown(pd.DataFrame()), list[Seen]()
    whose = f"{dataset}, split {split}, drawn with seed {seed}"
    source = f"Faces: {whose}"
    for path in weights:
        trained = load_detector(path, detector_name, overrides, device)
        if not seen:
            faces = open_faces(data, [dataset], split, profile=profile, compression=trained.config.compression)
            shown = _Shown(chosen_faces(faces.rows, per_class, seed))
            if pseudofake is not None:
                material = _material(pseudofake, faces.rows, whose, device)
                shown = shown.with_fakes(material, seed)
                source = material.caption()
        try:
            seen.append(_see(name_of(path, trained), trained, shown))
        except BrokenSampleError as error:
            raise InputError(str(error)) from None
    return CamSheet(shown.rows, seen, source)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Faces of a store, and fakes that were made of its reals.

    Attributes:
        stored: manifest rows, reals first.
        composition: name of what made the fakes.
        made: a fake of each of the reals in their order; none without a composition.
    """

    stored: pd.DataFrame
    composition: str = ""
    made: Sequence[Sample] = ()

    @property
    def rows(self) -> pd.DataFrame:
        """A row for each face: the reals, the fakes that were made of them, and the stored ones."""
        reals, fakes = self.stored.iloc[: len(self.made)], self.stored.iloc[len(self.made) :]
        made = reals.assign(label=1, method=self.composition)
        return pd.concat([reals, made, fakes], ignore_index=True) if self.made else self.stored

    def read(self, with_landmark: bool) -> list[Sample]:
        """The faces in the order of their rows."""
        stored, reals = list(_read(self.stored, with_landmark)), len(self.made)
        return [*stored[:reals], *self.made, *stored[reals:]]

    def with_fakes(self, material: Material, seed: int) -> "_Shown":
        """With fakes of the reals, which are among the faces of the material."""
        (composition,) = material.settings
        numbers = {key: number for number, key in enumerate(material.faces.rows["key"])}
        keys = self.stored.loc[self.stored["label"] == 0, "key"]
        pairs = make_pairs(material, [numbers[key] for key in keys], seed)
        return _Shown(self.stored, composition, [pair.fake for pair in pairs])


def _material(composition: str, rows: pd.DataFrame, whose: str, device: str) -> Material:
    """A composition with a real face of each video, of which some are shown and all may be partners.

    Raises:
        InputError: no such composition or device, or no real face.
    """
    settings = load_config(PseudoFakeConfig, composition)
    reals = rows[rows["label"] == 0]
    if not len(reals):
        raise InputError(f"--pseudofake {composition}: fakes are made of real faces, and there are none to show")
    faces = FaceSet(chosen_faces(reals, len(reals), 0), with_landmark=True)
    return Material({composition: settings}, faces, whose, Reconstructions(faces, device_named(device)))


def _see(name: str, trained: Trained, shown: _Shown) -> Seen:
    """What a detector makes of some faces, which it sees as in an evaluation."""
    config = trained.config
    faces = [as_seen(face, config) for face in shown.read(config.with_landmark)]
    data = data_of(faces, trained)
    maps, prob = grad_cam(trained.detector, data["image"], data.get("landmark"))
    return Seen(name, faces, maps, prob, trained.notes)


def _read(rows: pd.DataFrame, with_landmark: bool) -> Iterator[Sample]:
    """The faces of some rows, fakes with their mask if the store has one."""
    bare = FaceSet(rows, with_landmark=with_landmark)
    masked = FaceSet(rows, with_landmark=with_landmark, with_mask=True)
    for index, (store, label) in enumerate(zip(rows["store_path"], rows["label"], strict=True)):
        has_mask = label == 1 and FaceStore(Path(store)).has(mask_key(bare.key(index)))
        yield (masked if has_mask else bare).read(index)
