"""`assay explain organisation`: where detectors put SBI and CBI between a real face and its deepfake (ProDet)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from benchmark.explain.inputs import as_seen, data_of, name_of
from benchmark.explain.plane import how_laid_out, lay_out
from benchmark.explain.tuples import Tuples, open_tuples
from benchmark.loading import Trained, load_detector
from config.errors import InputError
from evaluation.organisation import CHANCE, KINDS, Organisation, organisation
from evaluation.plots.planes import Embedding, organisation_panels
from evaluation.prediction import inference, pooled
from evaluation.tables import Column, Table
from preprocessing.samples import Sample

MOST = 250
AT_ONCE = 8  # tuples that pass a network together


@dataclass(frozen=True, slots=True)
class Organised:
    """What a detector makes of aligned tuples.

    Attributes:
        name: of the detector.
        features: (T, 4, D) float32, in the order of `evaluation.organisation.KINDS`; a map's as its mean over space.
        measured: how they are organised.
        notes: what a reader must know of its weights.
    """

    name: str
    features: npt.NDArray[np.float32]
    measured: Organisation
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrganisedTuples:
    """What detectors make of the same aligned tuples.

    Attributes:
        seen: what each detector makes of them.
        videos: (T,) the target's video of each.
        kinds: names of the four kinds.
        source: which faces they are of, in words.
        seed: of all draws, and of t-SNE.
    """

    seen: list[Organised]
    videos: npt.NDArray[np.object_]
    kinds: tuple[str, ...]
    source: str
    seed: int


def read_organisation(
    weights: Sequence[Path],
    dataset: str,
    data: Path,
    *,
    split: str = "test",
    most: int = MOST,
    seed: int = 0,
    profile: str = "dfb",
    pseudofake: str = "sbi",
    detector_name: str | None = None,
    overrides: Sequence[str] = (),
    device: str = "cpu",
) -> OrganisedTuples:
    """Make aligned tuples of the faces of a test set, and let each detector see them as in an evaluation.

    A tuple is one of the batch recipe `aligned_quadruplet`: a real face, fakes of it by a composition and crossed with
    a partner's face, and a deepfake of the same video in the nearest frame; without augmentation. All detectors see
    the very same images, but for their input size.

    Args:
        weights: of each detector the run folder or weights file.
        dataset: preprocessed data set.
        data: folder of stores and manifests.
        split: of the data set.
        most: tuples, drawn evenly from the manipulations.
        seed: of the choice of tuples and of the fakes of each.
        profile: name of the preprocessing profile.
        pseudofake: composition of the fakes.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to each detector's configuration.
        device: where the detectors run.

    Raises:
        InputError: weights, data set or device are not there or do not fit, there are too few videos for partners, no
            fake has its target, a face cannot be read, or no fake can be made of it.
    """
    trained = [load_detector(path, detector_name, overrides, device) for path in weights]
    tuples = open_tuples(
        dataset,
        data,
        compression=trained[0].config.compression,
        split=split,
        most=most,
        seed=seed,
        profile=profile,
        pseudofake=pseudofake,
    )
    seen = [
        Organised(name_of(path, one), features, organisation(features, tuples.videos), one.notes)
        for path, one, features in zip(weights, trained, _features(trained, tuples), strict=True)
    ]
    return OrganisedTuples(seen, tuples.videos, tuples.kinds, tuples.source, seed)


def draw_organisation(found: OrganisedTuples, layout: str = "auto") -> Figure:
    """A panel for each detector, with the four kinds in colours and markers.

    Args:
        found: what the detectors make of the tuples.
        layout: "auto" draws features of two numbers as they are and others by t-SNE, "tsne" all by t-SNE.

    Raises:
        InputError: another layout, or features of which t-SNE makes nothing.
    """
    planes = [lay_out(np.concatenate(one.features), layout, found.seed, one.name) for one in found.seen]
    kinds = np.tile(np.array(found.kinds, object), len(found.videos))
    panels = [
        Embedding(one.name, plane.points, kinds, is_feature=plane.perplexity is None)
        for one, plane in zip(found.seen, planes, strict=True)
    ]
    _, sbi, cbi, _ = found.kinds
    sentences = [
        f"{found.source}: {len(found.videos)} tuples, drawn with seed {found.seed} and the same for all panels, of a "
        f"real face, {sbi} and {cbi} of it, and a deepfake of the same video in the nearest frame.",
        how_laid_out((plane.perplexity for plane in planes), "the features", found.seed),
        *(f"{note}." for note in _notes(found)),
    ]
    return organisation_panels(panels, found.kinds, " ".join(sentences))


def organisation_table(found: OrganisedTuples) -> Table:
    """How each detector's features are organised, in numbers."""
    return Table(
        caption=f"Organisation of features: {found.source}, seed {found.seed}",
        row_header="Detector",
        rows=tuple(one.name for one in found.seen),
        columns=(
            Column("silhouette", None),
            *(Column(kind, None, group="place on the line") for kind in found.kinds[1:3]),
            Column("in order", None),
            Column("tuples", None, format=".0f"),
            Column("dimensions", None, format=".0f"),
        ),
        values=tuple(_row(one) for one in found.seen),
        footnotes=(
            "silhouette: of the four kinds in the space of the features, 1 apart, 0 mixed",
            "place on the line: mean along the line from the mean of the reals, 0, to that of the deepfakes, 1",
            f"in order: share of tuples in the order {' < '.join(found.kinds)} along such a line through the means of "
            f"the other videos; by chance {CHANCE:.4f}",
            *_notes(found),
        ),
    )


def _row(one: Organised) -> tuple[float | None, ...]:
    found = one.measured
    places = (None, None) if found.positions is None else found.positions[1:3]
    return (found.silhouette, *places, found.in_order, float(len(one.features)), float(one.features.shape[2]))


def _notes(found: OrganisedTuples) -> list[str]:
    return list(dict.fromkeys(note for one in found.seen for note in one.notes))


def _features(trained: Sequence[Trained], tuples: Tuples) -> list[npt.NDArray[np.float32]]:
    """For each detector the features (T, 4, D) of the tuples, which are made once, a few at a time."""
    features: list[list[npt.NDArray[np.float32]]] = [[] for _ in trained]
    for start in range(0, len(tuples.chosen), AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, len(tuples.chosen)))
        images = [face for number in numbers for face in tuples.images(number)]
        for one, values in zip(trained, features, strict=True):
            values.append(_features_of(images, one))
    return [np.concatenate(values).reshape(len(tuples.chosen), len(KINDS), -1) for values in features]


def _features_of(images: Sequence[Sample], trained: Trained) -> npt.NDArray[np.float32]:
    """(N, D) features of some images."""
    detector, config = trained.detector.eval(), trained.config
    data = data_of([as_seen(face, config) for face in images], trained)
    with inference(trained.device, "fp32"):
        values = pooled(detector(data, inference=True)["feat"]).cpu().numpy()
    if not np.isfinite(values).all():
        raise InputError(f"{trained.weights} makes features that are no finite numbers")
    return values
