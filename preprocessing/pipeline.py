"""Preprocessing of a data set: clips are cropped in worker processes, one writer stores them, a manifest sums up."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from config.errors import InputError
from config.schema import DatasetConfig, Profile
from preprocessing.boxes import find_detector
from preprocessing.clips import Clip, Image, UnreadableMediaError, read_frames, read_image
from preprocessing.encodings import ENCODINGS, PNG, Encoding
from preprocessing.engines import engine_named
from preprocessing.faces import Face, FaceCropper, Skip
from preprocessing.landmarks import Predictor
from preprocessing.layouts import list_clips
from preprocessing.loose import LooseCropper, make_cropper
from preprocessing.manifest import Row, read_manifest, write_manifest
from preprocessing.search import Box
from preprocessing.shards import Shard
from preprocessing.store import (
    FaceStoreWriter,
    box_key,
    decode_landmarks,
    encode_box,
    encode_landmarks,
    landmarks_key,
    mask_key,
)

STORE_FORMAT = 1


def manifest_path(data: Path, profile: str, dataset: str) -> Path:
    """Where the manifest of a data set lies below the data folder; its FaceStore lies beside it."""
    return data / profile / f"{dataset}.parquet"


def store_name(dataset: str) -> str:
    """Folder name of a data set's FaceStore, as DeepfakeBench names it."""
    return f"{dataset}_lmdb"


def preprocess(
    dataset: DatasetConfig,
    root: Path,
    data: Path,
    profile: Profile,
    predictor: Predictor,
    *,
    workers: int = 1,
    engine: str = "local",
    shard: Shard | None = None,
    compression: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Crop all faces of a data set into its FaceStore and write its manifest. Goes on where an earlier call stopped.

    However the work is spread, the rows (but for the column `store`) and the stored bytes are the same.

    Args:
        dataset: what the data set consists of.
        root: where its media lie.
        data: folder for stores and manifests.
        profile: how faces are cropped.
        predictor: the landmark model.
        workers: processes; 1 works in this one, if the engine is local.
        engine: who runs them, a name in `preprocessing.engines.ENGINES`.
        shard: only this share of the clips, into a store and a manifest of its own (preprocessing.shards).
        compression: only this compression level.
        on_progress: called with (clips done, clips in all).

    Returns:
        The manifest's rows.

    Raises:
        InputError: nothing at `root`, media in two splits, or the store was made with another profile or predictor.
    """
    clips = list_clips(dataset, root, compression)
    _refuse_repeated(clips)
    path, store = manifest_path(data, profile.name, dataset.name), store_name(dataset.name)
    if shard:
        clips, path, store = shard.of(clips), shard.manifest(path), shard.store(dataset.name)
    meta = store_meta(dataset, profile, predictor)
    writer = FaceStoreWriter(manifest_path(data, profile.name, dataset.name).parent / store, meta)
    try:
        missing = [clip for clip in clips if not _is_done(writer, clip)]
        done = len(clips) - len(missing)
        crop = partial(_start_cropping, root, profile, predictor, store)
        for clip, result in engine_named(engine)(crop, missing, workers):
            writer.add(clip.video_id, result.values, [asdict(row) for row in result.rows])
            done += 1
            if on_progress:
                on_progress(done, len(clips))
        write_manifest(path, (row for clip in clips for row in writer.rows(clip.video_id) or ()), meta)
    finally:
        writer.close()
    return read_manifest(path)


def _refuse_repeated(clips: Sequence[Clip]) -> None:
    """A manifest has the rows of a video once, in one split."""
    split_of: dict[str, str] = {}
    for clip in clips:
        if split_of.setdefault(clip.video_id, clip.split) != clip.split:
            raise InputError(f"{clip.name} is listed in split {split_of[clip.video_id]} and in split {clip.split}")


@dataclass(frozen=True, slots=True)
class ClipResult:
    """What a clip gives: values for the FaceStore by key, and rows for the manifest."""

    values: dict[str, bytes]
    rows: list[Row]


def process_clip(clip: Clip, cropper: FaceCropper | LooseCropper, root: Path, store: str) -> ClipResult:
    """Decode, crop and encode one clip. Whatever goes wrong with its media becomes a row with the reason.

    Args:
        clip: the clip.
        cropper: holds the models.
        root: the data set's root, to which `source_path` is relative.
        store: name of the FaceStore, for the rows.
    """
    base = _base_row(clip, root, store)
    if clip.skip:
        return ClipResult({}, [replace(base, skip=clip.skip)])
    values: dict[str, bytes] = {}
    rows: list[Row] = []
    encoding = ENCODINGS[cropper.profile.encoding]
    try:
        base = replace(base, sha1=_sha1(clip.files))
        for found in find_faces(clip, cropper):
            row = replace(base, frame=found.number)
            if found.frame is not None:
                row = replace(row, height=found.frame.shape[0], width=found.frame.shape[1])
            if isinstance(found.faces, Skip):
                rows.append(replace(row, skip=found.faces.value))
                continue
            for place, face in enumerate(found.faces):
                key = crop_key(clip, found.number, place)
                values.update(_encode(key, face, encoding))
                rows.append(replace(row, face=place, key=key, detector_score=face.box.score))
    except (UnreadableMediaError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        return ClipResult({}, [replace(base, skip=f"{Skip.UNREADABLE_MEDIA.value}: {reason}")])
    return ClipResult(values, rows)


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """A sampled frame of a clip and its faces.

    Attributes:
        index: of the frame among the clip's.
        number: of the frame, by which keys call it (`Clip.frame_numbers`).
        frame: (H, W, 3) uint8 BGR, or None if it cannot be decoded.
        faces: those that the profile keeps, or why there is none.
    """

    index: int
    number: int
    frame: Image | None
    faces: list[Face] | Skip


def find_faces(clip: Clip, cropper: FaceCropper | LooseCropper) -> Iterator[FrameFaces]:
    """The sampled frames of a clip with their faces, each looked for from where the last one was.

    Raises:
        UnreadableMediaError, OSError: the clip cannot be read.
    """
    last: Box | None = None
    numbers = clip.frame_numbers()
    for index, frame, mask in _frames_with_masks(clip, cropper.profile):
        faces = Skip.UNREADABLE_FRAME if frame is None else _faces(clip, index, cropper, frame, mask, last)
        yield FrameFaces(index, numbers[index] if numbers else index, frame, faces)
        if not isinstance(faces, Skip):
            last = faces[0].box if clip.media == "video" else None


def crop_key(clip: Clip, number: int, place: int = 0) -> str:
    """The key that a face of a clip has in the FaceStore.

    Args:
        clip: the clip.
        number: of the frame.
        place: of the face among those of the frame.
    """
    return f"{clip.store_folder}/{number:03d}{f'_{place}' if place else ''}.png"


def _faces(
    clip: Clip, index: int, cropper: FaceCropper | LooseCropper, frame: Image, mask: Image | None, last: Box | None
) -> list[Face] | Skip:
    """The faces of a frame; of a data set of crops the frame itself, if the profile stores aligned crops as well."""
    if clip.is_crop and isinstance(cropper, FaceCropper):
        return [cropper.given(frame, mask, _landmarks_beside(clip, index))]
    return cropper.faces(frame, mask, last)


def _landmarks_beside(clip: Clip, index: int) -> npt.NDArray[np.int64] | None:
    """The landmarks that a data set ships with a crop, if they are there and whole."""
    if clip.landmarks is None:
        return None
    try:
        return decode_landmarks((clip.landmarks / f"{clip.files[index].stem}.npy").read_bytes()).astype(np.int64)
    except (OSError, ValueError):
        return None


def _start_cropping(root: Path, profile: Profile, predictor: Predictor, store: str) -> Callable[[Clip], ClipResult]:
    """What a worker does with each clip; the models are loaded once, when the worker starts."""
    cv2.setNumThreads(1)
    return partial(process_clip, cropper=make_cropper(profile, predictor), root=root, store=store)


def _frames_with_masks(clip: Clip, profile: Profile) -> Iterator[tuple[int, Image | None, Image | None]]:
    frames = read_frames(clip.files, profile.num_frames, profile.stride)
    if clip.mask is None:
        yield from ((index, frame, None) for index, frame in frames)
        return
    if clip.mask.is_dir():
        folder, files = clip.mask, clip.files
        yield from (
            (i, frame, read_image(folder / f"{files[i].stem}.png", cv2.IMREAD_GRAYSCALE)) for i, frame in frames
        )
        return
    masks = {
        index: cv2.cvtColor(mask, cv2.COLOR_BGR2GRAY)
        for index, mask in read_frames((clip.mask,), profile.num_frames, profile.stride)
        if mask is not None
    }
    yield from ((index, frame, masks.get(index)) for index, frame in frames)


def _encode(key: str, face: Face, encoding: Encoding) -> dict[str, bytes]:
    values = {key: encoding.encode(face.crop), landmarks_key(key): encode_landmarks(face.landmarks)}
    if face.mask is not None:
        values[mask_key(key)] = PNG.encode(face.mask)
    if face.box_in_crop is not None:
        values[box_key(key)] = encode_box(face.box_in_crop, face.placed_by)
    return values


def _sha1(files: tuple[Path, ...]) -> str:
    """Of the media's bytes; frames that come as images are hashed one after the other."""
    digest = hashlib.sha1(usedforsecurity=False)
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _is_done(writer: FaceStoreWriter, clip: Clip) -> bool:
    """A clip that could not be read is tried again: the file may have been mended."""
    rows = writer.rows(clip.video_id)
    return rows is not None and not any(row["skip"].startswith(Skip.UNREADABLE_MEDIA.value) for row in rows)


def _base_row(clip: Clip, root: Path, store: str) -> Row:
    source_path = clip.name if clip.is_folder else clip.files[0].relative_to(root).as_posix()
    return Row(
        dataset=clip.dataset,
        split=clip.split,
        label=clip.label,
        class_name=clip.class_name,
        method=clip.method,
        compression=clip.compression,
        video_id=clip.video_id,
        media=clip.media,
        identity_target=clip.identity_target,
        identity_source=clip.identity_source,
        store=store,
        source_path=source_path,
        sha1="",
    )


def store_meta(dataset: DatasetConfig, profile: Profile, predictor: Predictor) -> dict[str, Any]:
    """What a store and its manifest say they were made with."""
    detector = find_detector(profile)
    boxes = {"detector": detector.name, "detector_sha256": detector.sha256} if detector else {}
    rule = {} if profile.faceless_score is None else {"faceless_score": profile.faceless_score}
    return {
        **boxes,
        **rule,
        "format": STORE_FORMAT,
        "dataset": dataset.name,
        "profile": profile.stored,
        "parts": dataset.parts,
        "predictor": predictor.name,
        "predictor_git_blob": predictor.git_blob,
        "predictor_sha256": predictor.sha256,
        "encoder": ENCODINGS[profile.encoding].name,
        "versions": {package: version(package) for package in ("dlib-bin", "opencv-python-headless", "numpy")},
    }
