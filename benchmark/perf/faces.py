"""From a video to encoded crops: decoding, face search in both modes, alignment, and the whole path of a frame."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmark.perf.stage import Scale, Stage, medians, timed
from config.schema import Profile
from preprocessing.clips import Image, read_frames
from preprocessing.faces import ALIGNED_WIDTH, ALIGNMENT_POINTS, Face, FaceCropper, similarity_transform, target_points
from preprocessing.landmarks import Predictor, load_predictor, predict
from preprocessing.search import LEVELS_ABOVE, MARGIN, PYRAMID_STEP, SMALLEST_BOX, Box, FaceSearch, largest
from preprocessing.store import encode_landmarks

WANTED = 8  # of so many frames of a video one is taken


def measure_decoding(video: Path, height: int, scale: Scale) -> list[Stage]:
    """Frames that are passed over on the way to every eighth, as preprocessing reads them."""
    wanted = max(1, scale.video // WANTED)
    found = medians(
        {
            "read": timed(lambda _: list(read_frames((video,), wanted)), scale.video),
            "grab": timed(lambda _: _grab_all(video), scale.video),
        },
        scale,
    )
    floor = "OpenCV decodes the same video and hands over no picture"
    on = f"{height}p, 1 in {WANTED} taken"
    return [Stage("decode", on, "frames", scale.video, found["read"], floor, found["grab"])]


def measure_search(frames: list[Image], profile: Profile, predictor: Predictor, scale: Scale) -> list[Stage]:
    """Detection, alignment and the whole path of a frame, in modes exact and fast.

    Args:
        frames: a scene, BGR. In mode fast its frames follow each other; mode exact takes one of them in each round.
        profile: how faces are cropped.
        predictor: the landmark model.
        scale: how much is measured.
    """
    import dlib

    detector, landmarks = dlib.get_frontal_face_detector(), load_predictor(predictor)
    search = FaceSearch(profile.upsample)
    rgbs = [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]
    boxes = list(_follow(search, rgbs))
    enlarged = [_resized(rgb, 2**profile.upsample) for rgb in rgbs[: scale.rounds + 1]]
    windows = [_window(rgb, box) for rgb, box in zip(rgbs, boxes, strict=True)]
    exact, fast = (_cropper(profile, mode, predictor) for mode in ("exact", "fast"))
    crops = [face.crop for face in _crop_clip(fast, frames)]
    targets = target_points(profile.resolution, profile.scale)
    width = ALIGNED_WIDTH / profile.scale * profile.resolution
    count = len(frames)

    def align(rgb: Image, frame: Image, box: Box) -> Image:
        points = predict(landmarks, rgb, box.rectangle())[list(ALIGNMENT_POINTS)]
        return _warp(frame, similarity_transform(points, targets), profile.resolution)

    def align_bare(rgb: Image, frame: Image, box: Box, matrix: npt.NDArray[np.float64]) -> Image:
        landmarks(rgb, box.rectangle())
        return _warp(frame, matrix, profile.resolution)

    clip = list(zip(rgbs, frames, boxes, strict=True))
    matrix = np.array([[0.8, 0.1, 0.0], [-0.1, 0.8, 0.0]])
    found = medians(
        {
            "exact": timed(lambda number: search.exact(rgbs[number % count]), 1),
            "dlib": timed(lambda number: detector.run(enlarged[number % len(enlarged)], 0, 0.0), 1),
            "exact path": timed(lambda number: _crop_clip(exact, [frames[number % count]]), 1),
            "exact in crop": timed(lambda number: search.exact(crops[number % len(crops)]), 1),
            "fast": timed(lambda _: list(_follow(search, rgbs)), count),
            "dlib on windows": timed(lambda _: [detector.run(window, 0, 0.0) for window in windows], count),
            "fast path": timed(lambda _: _crop_clip(fast, frames), count),
            "fast in crop": timed(lambda _: [search.at_least(crop, width) for crop in crops], len(crops)),
            "align": timed(lambda _: [align(*entry) for entry in clip], count),
            "align bare": timed(lambda _: [align_bare(*entry, matrix) for entry in clip], count),
        },
        scale,
    )
    size = f"{frames[0].shape[0]}p"
    searches = "the two searches alone, in the frame and in the crop"
    bare = "dlib's landmarks and OpenCV's warp alone, no transform computed"
    whole = "dlib's detector alone on the frame, enlarged beforehand"
    window = "dlib's detector alone around the clip's last face, cut and scaled beforehand"
    two_exact, two_fast = found["exact"] + found["exact in crop"], found["fast"] + found["fast in crop"]
    return [
        Stage("detect exact", size, "frames", 1, found["exact"], whole, found["dlib"]),
        Stage("detect fast", size, "frames", count, found["fast"], window, found["dlib on windows"]),
        Stage("align", size, "faces", count, found["align"], bare, found["align bare"]),
        Stage("frame to PNG exact", size, "frames", 1, found["exact path"], searches, two_exact),
        Stage("frame to PNG fast", size, "frames", count, found["fast path"], searches, two_fast),
    ]


def _grab_all(video: Path) -> None:
    capture = cv2.VideoCapture(str(video))
    while capture.grab():
        pass
    capture.release()


def _follow(search: FaceSearch, rgbs: Sequence[Image]) -> Iterator[Box]:
    """The face of each frame as mode fast finds it: near the last one, else in the whole frame."""
    last: Box | None = None
    for rgb in rgbs:
        near = search.near(rgb, last) if last else None
        last = near or next((largest(boxes) for boxes in search.cascade(rgb)), last)
        if last:
            yield last


def _crop_clip(cropper: FaceCropper, frames: Sequence[Image]) -> list[Face]:
    """The faces of a clip, their crops and landmarks encoded, as preprocessing does."""
    last: Box | None = None
    faces = []
    for frame in frames:
        face = cropper.crop(frame, last=last)
        if isinstance(face, Face):
            cv2.imencode(".png", face.crop)
            encode_landmarks(face.landmarks)
            last = face.box
            faces.append(face)
    return faces


def _cropper(profile: Profile, mode: str, predictor: Predictor) -> FaceCropper:
    return FaceCropper(profile.model_copy(update={"mode": mode}), predictor)


def _window(rgb: Image, box: Box) -> Image:
    """What mode fast searches around the last face, at the size at which it does."""
    margin = MARGIN * box.width
    left, top = (max(0, round(side - margin)) for side in (box.left, box.top))
    window = rgb[top : round(box.bottom + margin), left : round(box.right + margin)]
    return _resized(window, SMALLEST_BOX / box.width / PYRAMID_STEP**LEVELS_ABOVE)


def _resized(image: Image, factor: float) -> Image:
    flags = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    resized: Image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=flags)
    return resized


def _warp(frame: Image, matrix: npt.NDArray[np.float64], side: int) -> Image:
    crop: Image = cv2.warpAffine(frame, matrix, (side, side))
    return crop
