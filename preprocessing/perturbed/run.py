"""Perturbed crops of a preprocessed data set: its clips again, perturbed, cut where the stored crops were cut."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from config.errors import InputError
from config.load import validate
from config.schema import DatasetConfig, Profile
from preprocessing.clips import Clip, Image, UnreadableMediaError, decode_image, read_frames
from preprocessing.encodings import ENCODINGS, Encoding
from preprocessing.engines import engine_named
from preprocessing.faces import Face, FaceCropper, Skip
from preprocessing.landmarks import Predictor
from preprocessing.layouts import list_clips
from preprocessing.loose import LooseCropper, make_cropper
from preprocessing.manifest import manifest_meta
from preprocessing.parts import find_source
from preprocessing.perturbations import ClipPerturbation
from preprocessing.perturbed.stored import LOST, PerturbedBy, PerturbedWriter, refuse_other_maker
from preprocessing.pipeline import FrameFaces, crop_key, find_faces, store_meta
from preprocessing.rows import load_rows
from preprocessing.store import DECISIVE, FaceStore
from preprocessing.views import Suite, Variant

NOT_FOUND = "not found again in the clip"
MOVED = "found again with other pixels than the stored ones"
ABSENT = "its clip is not below --root"
NO_FRAME = "its frame is missing in the perturbed clip"


@dataclass(frozen=True, slots=True)
class Perturbed:
    """What became of a data set's faces.

    Attributes:
        faces: how many there are in the split.
        done: those that have all their perturbed crops.
        skips: how many have not, by reason.
    """

    faces: int
    done: int
    skips: Mapping[str, int]


def perturb(
    dataset: DatasetConfig,
    name: str,
    root: Path,
    data: Path,
    suite: Suite,
    predictor: Predictor,
    *,
    profile: str = "dfb",
    detector_file: str | None = None,
    split: str = "test",
    compression: str | None = None,
    workers: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Perturbed:
    """Make the perturbed crops of a suite on frames, of all stored faces of a split. Goes on where it stopped.

    A clip's frames are searched for faces again as when it was preprocessed, and a face whose crop does not come out
    as it is stored is left out and counted: the perturbed crops are cut where the clean one was, by the same matrix.
    What is made of one clip is stored in one transaction.

    Args:
        dataset: what the data set consists of.
        name: of the data set or of a part of it; the store is the whole's.
        root: where its media lie.
        data: folder of stores and manifests.
        suite: what happens to the frames.
        predictor: the landmark model that the data set was preprocessed with.
        profile: name of the preprocessing profile; its settings are those that the manifest holds.
        detector_file: the face detector that the data set was preprocessed with, if it was with one.
        split: train, val or test.
        compression: only this level.
        workers: processes; 1 works in this one.
        overwrite: first delete what the stores have of this suite, of all splits.
        on_progress: called with (clips done, clips in all).

    Raises:
        InputError: the suite is on crops, the data set is not preprocessed or was so with other models, nothing of
            the split is at `root`, or another suite made what is there.
    """
    if suite.config.on == "crop":
        raise InputError(f"suite {suite.name} is on stored crops and needs nothing made; expected one with 'on: frame'")
    rows = _stored_faces(data, name, split, profile, compression)
    settings = _settings(manifest_meta(find_source(data, name, profile).manifest), detector_file, name)
    _refuse_other_models(store_meta(dataset, settings, predictor), rows)
    clips = {clip.video_id: clip for clip in list_clips(dataset, root, compression) if not clip.skip}
    if not clips.keys() & set(rows["video_id"]):
        raise InputError(f"--root: none of the clips of {name}, split '{split}', is below {root}")
    maker, stores = _maker(suite), [Path(path) for path in rows["store_path"].unique()]
    for path in () if overwrite else stores:
        refuse_other_maker(path, suite.name, maker)
    tally = _Tally(rows["video_id"].nunique(), on_progress)
    start = partial(_start, settings, predictor, suite)
    for path in stores:
        writer = PerturbedWriter(path, suite.name, maker, overwrite)
        try:
            jobs = _jobs(writer, rows[rows["store_path"] == str(path)], clips, suite, tally)
            for _, made in engine_named("local")(start, jobs, workers):
                writer.store(made.values)
                tally.count(made.skips)
        finally:
            writer.close()
    return Perturbed(len(rows), len(rows) - tally.skips.total(), dict(tally.skips))


@dataclass(frozen=True, slots=True)
class Job:
    """A clip to be perturbed, and the stored crops of those of its faces that lack perturbed ones, by key."""

    clip: Clip
    crops: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Made:
    """What a job gives: values for the FaceStore by key, and how many faces it could not be made for, by reason."""

    values: dict[str, bytes]
    skips: Counter[str]


def perturb_clip(job: Job, cropper: FaceCropper | LooseCropper, suite: Suite) -> Made:
    """Perturb a clip and cut its faces out. Whatever goes wrong with its media is counted with the reason.

    Args:
        job: the clip and its faces.
        cropper: as the clip was preprocessed.
        suite: what happens to the frames.
    """
    encoding = ENCODINGS[cropper.profile.encoding]
    is_of_clip = {variant: _is_of_clip(suite, variant, job.clip) for variant in suite.variants[1:]}
    values: dict[str, bytes] = {}
    found: dict[int, dict[str, Face]] = {}
    skips: dict[str, str] = {}

    def keep(view: Image, faces: Mapping[str, Face], variant: Variant) -> None:
        for key, face in faces.items():
            crop = cv2.cvtColor(face.cut_out(view), cv2.COLOR_RGB2BGR)
            values[suite.key_of(key, variant)] = encoding.encode(crop)

    try:
        for one in find_faces(job.clip, cropper):
            found[one.index] = _same_faces(one, job, encoding, skips)
            if found[one.index] and one.frame is not None:
                rgb, key = cv2.cvtColor(one.frame, cv2.COLOR_BGR2RGB), crop_key(job.clip, one.number)
                for variant in (variant for variant, whole in is_of_clip.items() if not whole):
                    keep(suite.perturb(rgb, key, variant), found[one.index], variant)
        for variant in (variant for variant, whole in is_of_clip.items() if whole and any(found.values())):
            for index, view in _perturbed_frames(job.clip, suite, variant):
                keep(view, found.get(index, {}), variant)
    except (UnreadableMediaError, OSError) as error:
        reason = f"{Skip.UNREADABLE_MEDIA.value}: {getattr(error, 'strerror', None) or error}"
        skips |= dict.fromkeys(job.crops, reason)
    return _whole_faces(job, suite, values, skips)


def _whole_faces(job: Job, suite: Suite, values: Mapping[str, bytes], skips: Mapping[str, str]) -> Made:
    """Of each face all its perturbed crops, or none of them and why."""
    whole: dict[str, bytes] = {}
    counts: Counter[str] = Counter()
    for key in job.crops:
        wanted = [suite.key_of(key, variant) for variant in suite.variants[1:]]
        is_whole = key not in skips and all(made in values for made in wanted)
        whole |= {made: values[made] if is_whole else LOST for made in wanted}
        if not is_whole:
            known = any(made in values for made in wanted)
            counts[skips.get(key, NO_FRAME if known else NOT_FOUND)] += 1
    return Made(whole, counts)


def _is_of_clip(suite: Suite, variant: Variant, clip: Clip) -> bool:
    """Whether a variant changes the clip as a whole: stills are no frames of one, and each is taken by itself."""
    return isinstance(suite.level(variant), ClipPerturbation) and clip.media == "video"


def _same_faces(found: FrameFaces, job: Job, encoding: Encoding, skips: dict[str, str]) -> dict[str, Face]:
    """The faces of a frame that are wanted, by key, where they have the pixels that are stored; the others skipped."""
    same: dict[str, Face] = {}
    for place, face in enumerate([] if isinstance(found.faces, Skip) else found.faces):
        key = crop_key(job.clip, found.number, place)
        stored = job.crops.get(key)
        if stored is not None and _has_pixels(stored, encoding.encode(face.crop)):
            same[key] = face
        elif stored is not None:
            skips[key] = MOVED
    return same


def _has_pixels(stored: bytes, encoded: bytes) -> bool:
    """Whether two encoded images are the same, also where another library has packed them otherwise."""
    if stored == encoded:
        return True
    first, second = (decode_image(np.frombuffer(value, np.uint8)) for value in (stored, encoded))
    return first is not None and second is not None and np.array_equal(first, second)


def _perturbed_frames(clip: Clip, suite: Suite, variant: Variant) -> Iterator[tuple[int, Image]]:
    """All frames of a clip, perturbed, with the index of each; those that cannot be decoded are left out."""
    indices: list[int] = []

    def frames() -> Iterator[Image]:
        for index, frame in read_frames(clip.files, 1, stride=1):
            if frame is not None:
                indices.append(index)
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    for position, view in enumerate(suite.perturb_clip(frames(), clip.store_folder, variant)):
        yield indices[position], view


@dataclass(slots=True)
class _Tally:
    """How far the work is, and which faces it left out."""

    clips: int
    on_progress: Callable[[int, int], None] | None
    done: int = 0
    skips: Counter[str] = field(default_factory=Counter)

    def count(self, skips: Counter[str]) -> None:
        """One more clip is done, without some of its faces."""
        self.done += 1
        self.skips += skips
        if self.on_progress:
            self.on_progress(self.done, self.clips)


def _jobs(
    writer: PerturbedWriter, rows: pd.DataFrame, clips: Mapping[str, Clip], suite: Suite, tally: _Tally
) -> Iterator[Job]:
    """The clips that have something to be made, with what is stored of their faces; the others are counted at once."""
    for video, of_video in rows.groupby("video_id", sort=False):
        keys = of_video["key"].tolist()
        lacking = [key for key in keys if writer.lacks([suite.key_of(key, one) for one in suite.variants[1:]])]
        if lacking and video in clips:
            yield Job(clips[str(video)], {key: writer.value(key) or b"" for key in lacking})
        else:
            tally.count(Counter({ABSENT: len(lacking)} if lacking else {}))


def _start(profile: Profile, predictor: Predictor, suite: Suite) -> Callable[[Job], Made]:
    """What a worker does with each job; the models are loaded once, when the worker starts."""
    cv2.setNumThreads(1)
    return partial(perturb_clip, cropper=make_cropper(profile, predictor), suite=suite)


def _stored_faces(data: Path, name: str, split: str, profile: str, compression: str | None) -> pd.DataFrame:
    """Manifest rows of all stored faces of a split, each once."""
    rows = load_rows(data, name, split, profile=profile, compression=compression)
    rows = rows[rows["skip"] == ""].drop_duplicates(["store_path", "key"])
    if not len(rows):
        raise InputError(f"no stored face in split '{split}' of {name} below {data}")
    return rows


def _maker(suite: Suite) -> PerturbedBy:
    of_clips = any(isinstance(level, ClipPerturbation) for levels in suite.levels.values() for level in levels)
    if not of_clips:
        return PerturbedBy(suite.sha256, "")
    from preprocessing.recompression import codec_version

    return PerturbedBy(suite.sha256, codec_version())


def _settings(made_by: Mapping[str, Any], detector_file: str | None, name: str) -> Profile:
    """The profile that a data set was preprocessed with, from what its manifest says."""
    encodings = {encoding.name: key for key, encoding in ENCODINGS.items()}
    if made_by.get("encoder") not in encodings:
        raise InputError(f"{name} was not made by 'assay preprocess', so its crops cannot be cut out of frames again")
    raw = {**made_by["profile"], "encoding": encodings[made_by["encoder"]], "detector_file": detector_file}
    return validate(Profile, raw, f"the profile in the manifest of {name}")


def _refuse_other_models(now: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Crops that other models placed cannot be found again."""
    for path in rows["store_path"].unique():
        made_by = FaceStore(Path(path)).meta()
        for entry in DECISIVE:
            if made_by.get(entry) != now.get(entry):
                raise InputError(
                    f"{path} was made with another {entry.replace('_', ' ')} ({made_by.get(entry)}, now "
                    f"{now.get(entry)}); perturb it with what it was preprocessed with (--landmarks, --detector-file)"
                )
