"""Trains the compact 81-point landmark predictor and measures it on identities it has not seen.

    python -m preprocessing.train_landmarks --labels landmarks81.json --images DIR --out FILE

An ensemble of regression trees (Kazemi and Sullivan, "One millisecond face alignment with an ensemble of regression
trees", CVPR 2014) as dlib implements it. Beside FILE it writes FILE's name with `.json`: settings, counts and held-out
errors, which the model card (models/README.md) quotes.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from config.errors import InputError
from preprocessing.landmarks import MIRROR, PARTS, predict
from preprocessing.predictor_file import shrink

if TYPE_CHECKING:
    import dlib

GROUPS = {
    "inner points (0-67)": range(68),
    "jaw (0-16)": range(17),
    "brows (17-26)": range(17, 27),
    "nose (27-35)": range(27, 36),
    "eyes (36-47)": range(36, 48),
    "mouth (48-67)": range(48, 68),
    "forehead (68-80)": range(68, PARTS),
}
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
OUTER_CORNERS = (36, 45)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the predictor is trained with; those from `cascades` to `test_splits` are dlib's.

    Attributes:
        sources: folders of photographs; the labels of other folders (generated faces) are left out.
        held_out: share of the identities of each source that is measured on and not trained on.
        variants: turned, shrunk and (every other one) mirrored copies of each photograph.
        oversampling: initial shapes per face.
        translation_jitter: shift of the box, drawn uniformly for each initial shape, as a share of its side.
        leaf_bits: mantissa bits that the leaves are stored with; see `predictor_file.shrink`.
    """

    sources: tuple[str, ...] = ("real_congress_pd", "real_london_ccby", "real_canada_ccby")
    held_out: float = 0.2
    seed: int = 2026
    variants: int = 4
    cascades: int = 15
    trees: int = 190
    depth: int = 2
    nu: float = 0.1
    oversampling: int = 10
    translation_jitter: float = 0.05
    feature_pool: int = 500
    test_splits: int = 40
    leaf_bits: int = 8


@dataclass(frozen=True, slots=True)
class Face:
    """One labelled face: (H, W, 3) uint8 RGB, (81, 2) points in its pixels, and the box that dlib's detector gave."""

    rgb: npt.NDArray[np.uint8]
    points: npt.NDArray[np.float64]
    box: "dlib.rectangle"


def read_labels(path: Path, sources: tuple[str, ...]) -> dict[str, npt.NDArray[np.float64]]:
    """Reads {image name: (81, 2) points in pixels} of the images under the given folders.

    Raises:
        InputError: no such file, not such a JSON, or no image of these folders in it.
    """
    try:
        content = json.loads(path.read_text())
        labels = {name: np.array(points, dtype=np.float64) for name, points in content.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"labels {path} cannot be read as a JSON of image name -> points: {error}") from None
    labels = {name: points for name, points in labels.items() if name.split("/")[0] in sources}
    if not labels or any(points.shape != (PARTS, 2) for points in labels.values()):
        raise InputError(f"labels {path}: expected {PARTS} points for each image in {', '.join(sources)}")
    return labels


def read_photograph(path: Path) -> npt.NDArray[np.uint8]:
    """Reads an image as (H, W, 3) uint8 RGB.

    Raises:
        InputError: it is missing or cannot be decoded.
    """
    bgr = cv2.imread(str(path))
    if bgr is None:
        raise InputError(f"photograph {path}, which the labels name, is missing or cannot be decoded")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def identity(name: str) -> str:
    """Source and person of an image: "real_london_ccby/smiling/001_08.jpg" is of "real_london_ccby/001"."""
    path = Path(name)
    return f"{path.parts[0]}/{path.stem.split('_')[0]}"


def split_identities(names: Iterable[str], held_out: float, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Splits image names into those trained on and those held out, no identity in both, each source in proportion."""
    people: dict[str, list[str]] = {}
    names = sorted(names)
    for person in sorted({identity(name) for name in names}):
        people.setdefault(person.split("/")[0], []).append(person)
    kept_back: set[str] = set()
    for members in people.values():
        kept_back.update(rng.permutation(members)[: round(held_out * len(members))])
    return [name for name in names if identity(name) not in kept_back], [
        name for name in names if identity(name) in kept_back
    ]


def detect(detector: "dlib.fhog_object_detector", rgb: npt.NDArray[np.uint8]) -> "dlib.rectangle | None":
    """The largest face, found as preprocessing finds it (one upsampling), or None."""
    return max(detector(rgb, 1), key=lambda box: box.width() * box.height(), default=None)


def vary(
    rgb: npt.NDArray[np.uint8], points: npt.NDArray[np.float64], mirrored: bool, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """A copy turned by up to 15 degrees about its middle, shrunk to between 0.3 and 1, mirrored if so asked."""
    if mirrored:
        rgb = rgb[:, ::-1]
        points = (points * [-1, 1] + [rgb.shape[1] - 1, 0])[MIRROR]
    height, width = rgb.shape[:2]
    scale = rng.uniform(0.3, 1)
    size = round(width * scale), round(height * scale)
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(-15, 15), 1)
    turned = cv2.warpAffine(np.ascontiguousarray(rgb), turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    small = cv2.resize(turned, size, interpolation=cv2.INTER_AREA)
    points = points @ turn[:, :2].T + turn[:, 2]
    return small, (points + 0.5) * np.divide(size, (width, height)) - 0.5


def load_faces(
    images: Path,
    labels: dict[str, npt.NDArray[np.float64]],
    names: Iterable[str],
    variants: int,
    rng: np.random.Generator,
) -> tuple[list[Face], list[Face]]:
    """Reads the photographs and makes their varied copies; faces that the detector misses are left out.

    Returns:
        the photographs as they are, and the varied copies.
    """
    import dlib

    detector = dlib.get_frontal_face_detector()
    plain: list[Face] = []
    varied: list[Face] = []
    for name in names:
        rgb, points = read_photograph(images / name), labels[name]
        copies = [(rgb, points), *(vary(rgb, points, mirrored=i % 2 == 0, rng=rng) for i in range(variants))]
        for i, (copy, moved) in enumerate(copies):
            box = detect(detector, copy)
            if box is not None:
                (varied if i else plain).append(Face(copy, moved, box))
    return plain, varied


def jitter(box: "dlib.rectangle", rng: np.random.Generator) -> "dlib.rectangle":
    """The box moved and scaled by up to 5 % of its side."""
    import dlib

    side = box.width()
    x, y = np.array([box.left(), box.top()]) + side * rng.uniform(-0.05, 0.05, 2)
    scaled = side * rng.uniform(0.95, 1.05)
    x, y = x + (side - scaled) / 2, y + (side - scaled) / 2
    return dlib.rectangle(round(x), round(y), round(x + scaled), round(y + scaled))


def train(faces: list[Face], settings: Settings, threads: int, rng: np.random.Generator) -> "dlib.shape_predictor":
    """Trains on every face twice: in the detector's box, and in that box moved and scaled a little."""
    import dlib

    options = dlib.shape_predictor_training_options()
    options.cascade_depth = settings.cascades
    options.num_trees_per_cascade_level = settings.trees
    options.tree_depth = settings.depth
    options.nu = settings.nu
    options.oversampling_amount = settings.oversampling
    options.oversampling_translation_jitter = settings.translation_jitter
    options.feature_pool_size = settings.feature_pool
    options.num_test_splits = settings.test_splits
    options.random_seed = str(settings.seed)
    options.num_threads = threads
    annotations = []
    for face in faces:
        parts = dlib.points([dlib.point(round(x), round(y)) for x, y in face.points])
        boxes = face.box, jitter(face.box, rng)
        annotations.append([dlib.full_object_detection(box, parts) for box in boxes])
    return dlib.train_shape_predictor([face.rgb for face in faces], annotations, options)


def held_out_errors(predictor: "dlib.shape_predictor", faces: list[Face]) -> dict[str, float]:
    """Mean distance between predicted and labelled points, in percent of the distance between the outer eye corners."""
    predicted = np.array([predict(predictor, face.rgb, face.box) for face in faces])
    labelled = np.array([face.points for face in faces])
    unit = np.linalg.norm(labelled[:, OUTER_CORNERS[0]] - labelled[:, OUTER_CORNERS[1]], axis=-1)
    distance = np.linalg.norm(predicted - labelled, axis=-1) / unit[:, None]
    centres = [
        np.linalg.norm((predicted[:, eye] - labelled[:, eye]).mean(axis=1), axis=-1) / unit
        for eye in (LEFT_EYE, RIGHT_EYE)
    ]
    errors = {group: float(distance[:, list(points)].mean()) for group, points in GROUPS.items()}
    errors["eye centres"] = float(np.mean(centres))
    return {group: round(100 * error, 3) for group, error in errors.items()}


def run(labels_file: Path, images: Path, out: Path, settings: Settings, threads: int) -> dict[str, object]:
    """Trains, writes the predictor, and measures what was written.

    Returns:
        the report: settings, counts, size and held-out errors, ready for JSON.

    Raises:
        InputError: labels or photographs cannot be read.
    """
    import dlib

    rng = np.random.default_rng(settings.seed)
    labels = read_labels(labels_file, settings.sources)
    trained_on, measured_on = split_identities(labels, settings.held_out, rng)
    plain, varied = load_faces(images, labels, trained_on, settings.variants, rng)
    train(plain + varied, settings, threads, rng).save(str(out))
    out.write_bytes(shrink(out.read_bytes(), settings.leaf_bits))

    predictor = dlib.shape_predictor(str(out))
    measured_plain, measured_varied = load_faces(images, labels, measured_on, settings.variants, rng)
    return {
        "settings": asdict(settings),
        "identities": {
            "trained": len(set(map(identity, trained_on))),
            "held out": len(set(map(identity, measured_on))),
        },
        "faces": {
            "trained": len(plain) + len(varied),
            "held out, photographs": len(measured_plain),
            "held out, turned and shrunk": len(measured_varied),
        },
        "bytes": out.stat().st_size,
        "mean error in % of the outer-eye distance": {
            "photographs": held_out_errors(predictor, measured_plain),
            "turned and shrunk": held_out_errors(predictor, measured_varied),
        },
    }


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line, trains, and writes the predictor and its JSON report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, required=True, help="JSON: image name -> 81 pairs x, y in pixels")
    parser.add_argument("--images", type=Path, required=True, help="folder that the image names are relative to")
    parser.add_argument("--out", type=Path, required=True, help="the predictor to write (.dat)")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    tunable = {name: value for name, value in asdict(Settings()).items() if isinstance(value, int | float)}
    for name, value in tunable.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value, help="default: %(default)s")
    options = parser.parse_args(arguments)
    settings = Settings(**{name: getattr(options, name) for name in tunable})
    try:
        report = run(options.labels, options.images, options.out, settings, options.threads)
    except InputError as error:
        parser.error(str(error))
    text = json.dumps(report, indent=2) + "\n"
    options.out.with_suffix(".json").write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
