"""`assay infer`: what a detector says of single files, face by face, frame by frame and as a whole."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from rich.console import Console

from benchmark.loading import Trained, load_detector
from config.errors import InputError
from config.files import write_text
from config.load import load_config
from config.schema import Profile
from detectors.weights import weights_sha256
from evaluation.plots.curves import timeline
from evaluation.plots.sheets import boxed_faces
from evaluation.plots.style import save_figure
from evaluation.prediction import predict
from preprocessing.boxes import find_detector
from preprocessing.clips import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Image, UnreadableMediaError, read_frames, read_image
from preprocessing.faces import Face, Skip
from preprocessing.landmarks import COMPACT_GIT_BLOB, Predictor, predictor_of
from preprocessing.loose import make_cropper
from preprocessing.samples import Sample
from preprocessing.search import Box

THRESHOLD = 0.5  # above it a file is called fake, as accuracy does
PRECISION = "fp32"
WHAT_A_SCORE_IS = (
    "a score is P(fake) as the detector was trained; it is not calibrated: 0.9 does not mean that 9 of 10 such files "
    "are fake"
)
SUBSTITUTE = "crops come from {}, a compact substitute for the official 81-point model; scores may differ from its"


@dataclass(frozen=True, slots=True)
class FaceScore:
    """A face of a frame.

    Attributes:
        left: border of the face in pixels of the frame, as all four; they may lie outside.
        top: as above.
        right: as above; this pixel belongs to the face, as in dlib.
        bottom: likewise.
        confidence: of the face detector; above 0.
        score: P(fake) in [0, 1].
    """

    left: int
    top: int
    right: int
    bottom: int
    confidence: float
    score: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True, slots=True)
class FrameScore:
    """A sampled frame.

    Attributes:
        frame: its number in the file, from 0.
        seconds: when it is shown; None for an image, and where the file does not tell its frame rate.
        score: the highest of its faces, as in evaluation.metrics.group_scores; None without a face.
        skip: why there is no face, or "".
        faces: the largest first.
    """

    frame: int
    seconds: float | None
    score: float | None
    skip: str
    faces: tuple[FaceScore, ...]


@dataclass(frozen=True, slots=True)
class FileScores:
    """What a detector says of a file.

    Attributes:
        file: as it was given.
        sha1: of its bytes.
        media: "video" or "image".
        score: P(fake), the mean over the frames with a face, as in evaluation.metrics.group_scores; None without any.
        detector: registered name.
        weights_sha256: of the weights file.
        landmarks: name of the landmark predictor behind the crops.
        profile: name of the preprocessing profile.
        precision: in which the network ran.
        all_faces: whether all faces of a frame were scored, or the largest, followed through the clip.
        n_frames: frames that were sampled.
        n_faces: faces that were scored, over all frames.
        skipped: how many frames have no score, by reason.
        notes: what a reader must know beside the scores.
        frames: in order.
    """

    file: str
    sha1: str
    media: str
    score: float | None
    detector: str
    weights_sha256: str
    landmarks: str
    profile: str
    precision: str
    all_faces: bool
    n_frames: int
    n_faces: int
    skipped: dict[str, int]
    notes: tuple[str, ...]
    frames: tuple[FrameScore, ...]

    def summary(self) -> str:
        """The whole in a line: "clip.mp4: 0.83 (fake) over 32 frames, 1 face each"."""
        name, scored = Path(self.file).name, self.n_frames - sum(self.skipped.values())
        if self.score is None:
            return f"{name}: no face found" + (f" in {_counted(self.n_frames, 'frame')}" * (self.media == "video"))
        verdict = f"{name}: {self.score:.2f} ({'fake' if self.score > THRESHOLD else 'real'})"
        if self.media == "image":
            return f"{verdict}, {_counted(self.n_faces, 'face')}"
        per_frame = {len(frame.faces) for frame in self.frames if frame.faces}
        faces = f"{_counted(per_frame.pop(), 'face')} each" if len(per_frame) == 1 else f"{self.n_faces} faces"
        share = f"{scored} of " if self.skipped else ""
        return f"{verdict} over {share}{_counted(self.n_frames, 'frame')}, {faces}"

    def figure(self) -> Figure:
        """A video's scores over time; an image with its faces in boxes."""
        name = Path(self.file).name
        title = name if self.score is None else f"{name}: {self.score:.2f}"
        if self.media == "image":
            faces = self.frames[0].faces
            image = cv2.cvtColor(_readable_image(Path(self.file)), cv2.COLOR_BGR2RGB)
            return boxed_faces(image, [face.box for face in faces], [face.score for face in faces], title)
        in_seconds = self.frames[0].seconds is not None
        times = [float(frame.frame) if frame.seconds is None else frame.seconds for frame in self.frames]
        faces_at = [(time, face.score) for time, frame in zip(times, self.frames, strict=True) for face in frame.faces]
        scores = [math.nan if frame.score is None else frame.score for frame in self.frames]
        return timeline(
            np.array(times),
            np.array(scores),
            np.array(faces_at).reshape(-1, 2),
            "Time, s" if in_seconds else "Frame",
            title,
        )


def infer_files(
    files: Sequence[Path],
    weights: Path,
    *,
    detector_name: str | None = None,
    frames: int | None = None,
    all_faces: bool = True,
    out: Path | None = None,
    device: str = "auto",
    landmarks: Path | None = None,
    detector_file: Path | None = None,
    profile: str = "dfb",
    console: Console,
) -> list[FileScores]:
    """Score files one after the other; one that cannot be read is told in a sentence, and the others are still done.

    Args:
        files: images and videos.
        weights: a run folder, or a weights file.
        detector_name: for weights that do not carry their configuration.
        frames: frames of each video, evenly spread; by default as many as the profile says.
        all_faces: score all faces of a frame; otherwise the largest, followed through a clip, as `assay preprocess`
            does.
        out: folder for NAME.json and the picture NAME.png of each file; None writes nothing.
        device: where to run.
        landmarks: 81-point predictor.
        detector_file: whose boxes loose crops have; None for dlib's.
        profile: preprocessing profile.
        console: where a line for each file goes.

    Returns:
        What could be scored, in order.

    Raises:
        InputError: weights, profile or predictor cannot be used, or `out` cannot take the results.
    """
    targets = _targets(files, out) if out else {}
    changes = [] if frames is None else [f"num_frames={frames}", "stride=null"]
    changes += [f"faces={'all' if all_faces else 'largest'}"]
    changes += [] if detector_file is None else [f"detector_file={detector_file}"]
    crops = load_config(Profile, profile, changes)
    scorer = FileScorer(load_detector(weights, detector_name, (), device), crops, predictor_of(crops, landmarks))
    results = []
    for path in files:
        try:
            result = scorer.score(path)
        except InputError as error:
            console.print(f"assay: {error}", highlight=False, markup=False)
            continue
        if path in targets:
            write_text(targets[path].with_suffix(".json"), f"{to_json(result)}\n")
            save_figure(result.figure(), targets[path].with_suffix(".png"))
        console.print(result.summary(), highlight=False, markup=False)
        results.append(result)
    return results


def to_json(result: FileScores | Sequence[FileScores]) -> str:
    """One result as a JSON object, several as an array of them."""
    plain = asdict(result) if isinstance(result, FileScores) else [asdict(one) for one in result]
    return json.dumps(plain, indent=2, ensure_ascii=False)


class FileScorer:
    """Finds, crops and scores the faces of files. Frames are let go once they are searched, crops once scored.

    Args:
        trained: the detector.
        profile: how faces are cropped, and how many frames of a video are looked at.
        predictor: the landmark model.
    """

    def __init__(self, trained: Trained, profile: Profile, predictor: Predictor) -> None:
        self._trained = trained
        self._weights_sha256 = weights_sha256(trained.weights)
        self._profile = profile
        self._predictor = predictor
        self._cropper = make_cropper(profile, predictor)

    def score(self, path: Path) -> FileScores:
        """The scores of a file; one without any face has none, which is no error.

        Raises:
            InputError: the file is missing or is no image or video that can be read, or the network gives no number.
        """
        media = _media(path)
        try:
            frames = tuple(self._frames(path, _frame_rate(path) if media == "video" else None))
            with path.open("rb") as file:
                sha1 = hashlib.file_digest(file, "sha1").hexdigest()
        except UnreadableMediaError as error:
            raise InputError(f"{path} cannot be read as a video: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror or error}") from None
        if all(frame.skip == Skip.UNREADABLE_FRAME for frame in frames):
            what = "an image" if media == "image" else "a video: no frame of it can be decoded"
            raise InputError(f"{path} cannot be read as {what}")
        scores = [frame.score for frame in frames if frame.score is not None]
        return FileScores(
            file=str(path),
            sha1=sha1,
            media=media,
            score=float(np.mean(scores)) if scores else None,
            detector=self._trained.config.model_name,
            weights_sha256=self._weights_sha256,
            landmarks=self._predictor.name,
            profile=self._profile.name,
            precision=PRECISION,
            all_faces=self._profile.faces == "all",
            n_frames=len(frames),
            n_faces=sum(len(frame.faces) for frame in frames),
            skipped=dict(Counter(frame.skip for frame in frames if frame.skip)),
            notes=tuple(self._notes(bool(scores))),
            frames=frames,
        )

    def _notes(self, has_score: bool) -> Iterator[str]:
        yield WHAT_A_SCORE_IS if has_score else "no face found, so there is no score; this says nothing of the file"
        if self._profile.crop == "loose":
            detector = find_detector(self._profile)
            margin = self._trained.config.margins.test
            yield f"boxes: {detector.name if detector else 'dlib'}, with a margin of {margin:.1%} of their side"
        if self._predictor.git_blob == COMPACT_GIT_BLOB:
            yield SUBSTITUTE.format(self._predictor.name)
        yield from self._trained.notes

    def _frames(self, path: Path, rate: float | None) -> Iterator[FrameScore]:
        searched: list[_Searched] = []
        for frame in self._search(path):
            searched.append(frame)
            if sum(len(one.faces) for one in searched) >= self._trained.config.test_batchSize:
                yield from self._scored(searched, rate)
                searched = []
        yield from self._scored(searched, rate)

    def _search(self, path: Path) -> "Iterator[_Searched]":
        last: Box | None = None
        for index, frame in read_frames((path,), self._profile.num_frames, self._profile.stride):
            found = Skip.UNREADABLE_FRAME if frame is None else self._cropper.faces(frame, last=last)
            if isinstance(found, Skip):
                yield _Searched(index, [], found.value)
            else:
                last = found[0].box
                yield _Searched(index, found, "")

    def _scored(self, searched: "Sequence[_Searched]", rate: float | None) -> Iterator[FrameScore]:
        scores = iter(self._predict([face for frame in searched for face in frame.faces]))
        for frame in searched:
            faces = tuple(
                FaceScore(box.left, box.top, box.right, box.bottom, box.score, next(scores))
                for box in (face.box for face in frame.faces)
            )
            seconds = None if rate is None else frame.index / rate
            highest = max((face.score for face in faces), default=None)
            yield FrameScore(frame.index, seconds, highest, frame.skip, faces)

    def _predict(self, faces: Sequence[Face]) -> list[float]:
        config = self._trained.config
        crops = _Crops(faces, config.with_landmark)
        batches = predict(self._trained.detector, crops, config, self._trained.device, precision=PRECISION)
        scores = [float(score) for batch in batches for score in batch.scores[:, 0]]
        for score in scores:
            if not 0 <= score <= 1:
                raise InputError(f"{self._trained.weights} gives P(fake) = {score}, expected a number in [0, 1]")
        return scores


@dataclass(frozen=True, slots=True)
class _Searched:
    """A frame's number, its faces, and why there are none."""

    index: int
    faces: list[Face]
    skip: str


class _Crops:
    """Faces that lie in memory and in no store; what they are is not known, and their labels mean nothing."""

    def __init__(self, faces: Sequence[Face], with_landmark: bool) -> None:
        self.labels: npt.NDArray[np.int64] = np.zeros(len(faces), np.int64)
        self.with_landmark = with_landmark
        self._faces = faces

    def __len__(self) -> int:
        return len(self._faces)

    def read(self, index: int) -> Sample:
        face = self._faces[index]
        landmark = face.landmarks.astype(np.float32) if self.with_landmark else None
        return Sample(cv2.cvtColor(face.crop, cv2.COLOR_BGR2RGB), landmark, box=face.box_in_crop)


def _targets(files: Sequence[Path], out: Path) -> dict[Path, Path]:
    """Where the results of each file go, without the suffix."""
    targets: dict[Path, Path] = {}
    inputs = {path.resolve() for path in files}
    for path in files:
        target = out / f"{path.stem}.json"
        if target in targets.values():
            raise InputError(f"--out {out}: the results of two files would both be {target.name}; score them apart")
        if target.with_suffix(".png").resolve() in inputs:
            raise InputError(f"--out {out}: the picture of {path.name} would overwrite a file that is to be scored")
        targets[path] = target
    return targets


def _media(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    for media, suffixes in (("video", VIDEO_SUFFIXES), ("image", IMAGE_SUFFIXES)):
        if path.suffix.lower() in suffixes:
            return media
    known = ", ".join(sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES))
    raise InputError(f"{path}: expected an image or a video that ends in {known}")


def _frame_rate(path: Path) -> float | None:
    capture = cv2.VideoCapture(str(path))
    try:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
    finally:
        capture.release()
    return rate if math.isfinite(rate) and rate > 0 else None


def _readable_image(path: Path) -> Image:
    image = read_image(path)
    if image is None:
        raise InputError(f"{path} cannot be read as an image any more")
    return image


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
