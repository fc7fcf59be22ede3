"""Mode `fast` against mode `exact`: the same faces, none lost, the same person through a clip."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmark.demo.portraits import Portrait, find_portrait
from benchmark.demo.scene import compose_scene
from config.load import load_config
from config.schema import Profile
from preprocessing.clips import read_frames
from preprocessing.faces import Face, FaceCropper, Skip
from preprocessing.landmarks import find_predictor, load_predictor, predict
from preprocessing.search import Box, FaceSearch, largest, same_face
from tests.faces import still

PROFILE = load_config(Profile, "dfb")
PREDICTOR = find_predictor(environ={})
GRID = Path(__file__).resolve().parents[2].parent / "shared" / "assets" / "faces" / "video_grid_ccby"
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)


def portrait(number: int) -> Portrait:
    found = find_portrait(cv2.cvtColor(still(number), cv2.COLOR_BGR2RGB), load_predictor(PREDICTOR))
    assert found is not None
    return found


def scene(numbers: Sequence[int], jaws: Sequence[int], size: tuple[int, int], count: int) -> list[np.ndarray]:
    """BGR frames of embedded people who move about."""
    frames = compose_scene([portrait(n) for n in numbers], jaws, size, count, np.random.default_rng(7))
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2BGR) for frame in frames]


@pytest.fixture(scope="module")
def croppers() -> tuple[FaceCropper, FaceCropper]:
    exact, fast = (PROFILE.model_copy(update={"mode": mode}) for mode in ("exact", "fast"))
    return FaceCropper(exact, PREDICTOR), FaceCropper(fast, PREDICTOR)


def follow(cropper: FaceCropper, frames: Sequence[np.ndarray]) -> list[Face | Skip]:
    last, faces = None, []
    for frame in frames:
        faces.append(cropper.crop(frame, last=last))
        last = faces[-1].box if isinstance(faces[-1], Face) else last
    return faces


def overlap(a: Box, b: Box) -> float:
    width = max(0, min(a.right, b.right) - max(a.left, b.left) + 1)
    height = max(0, min(a.bottom, b.bottom) - max(a.top, b.top) + 1)
    return width * height / (a.area + b.area - width * height)


@cache
def loaded() -> Any:
    return load_predictor(PREDICTOR)


def eyes(frame: np.ndarray, box: Box) -> np.ndarray:
    points = predict(loaded(), cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), box.rectangle())
    return np.array([points[eye].mean(axis=0) for eye in (RIGHT_EYE, LEFT_EYE)])


def distances(frame: np.ndarray, exact: Box, fast: Box) -> tuple[float, list[float]]:
    """How far the worse eye centre is off with the fast box, and with the exact one moved by 4 % of its width, in
    distances between the eyes."""
    centre = eyes(frame, exact)
    unit = np.linalg.norm(centre[0] - centre[1])
    step = round(0.04 * exact.width)
    shifts = [(step, 0), (-step, 0), (0, step), (0, -step)]
    off = [
        np.linalg.norm(eyes(frame, box) - centre, axis=1).max() / unit
        for box in (fast, *(moved(exact, *by) for by in shifts))
    ]
    return off[0], off[1:]


def moved(box: Box, dx: int, dy: int) -> Box:
    return replace(box, left=box.left + dx, right=box.right + dx, top=box.top + dy, bottom=box.bottom + dy)


@pytest.mark.parametrize(("jaw", "size"), [(70, (360, 480)), (110, (480, 640)), (110, (720, 1280)), (62, (720, 1280))])
def test_fast_gives_the_face_of_exact_and_its_eyes_within_what_a_shifted_box_does(croppers, jaw, size):
    frames = scene([0], [jaw], size, 8)
    exact, fast = (follow(cropper, frames) for cropper in croppers)
    differences, sensitivity = [], []
    for frame, one, other in zip(frames, exact, fast, strict=True):
        assert overlap(one.box, other.box) > 0.5
        difference, shifted = distances(frame, one.box, other.box)
        differences.append(difference)
        sensitivity += shifted
    assert np.median(differences) <= np.quantile(sensitivity, 0.75)
    assert max(differences) <= 2 * max(sensitivity)


@pytest.mark.assets
@pytest.mark.skipif(not GRID.is_dir(), reason="needs ../shared/assets/faces/video_grid_ccby, filmed clips")
def test_fast_gives_the_face_of_exact_in_filmed_clips(croppers):
    differences, sensitivity = [], []
    for path in sorted(GRID.glob("*.mpg")):
        frames = [frame for _, frame in read_frames((path,), 12) if frame is not None]
        exact, fast = (follow(cropper, frames) for cropper in croppers)
        for frame, one, other in zip(frames, exact, fast, strict=True):
            assert overlap(one.box, other.box) > 0.4
            difference, shifted = distances(frame, one.box, other.box)
            differences.append(difference)
            sensitivity += shifted
    assert np.median(differences) <= np.median(sensitivity)
    assert np.mean(differences) <= np.mean(sensitivity)


def test_fast_loses_no_frame_that_exact_finds(croppers):
    rng = np.random.default_rng(3)
    frames = scene([3], [60], (288, 360), 40)
    hard = [
        cv2.GaussianBlur(
            np.clip(frame * rng.uniform(0.15, 1) + rng.normal(0, 25, frame.shape), 0, 255).astype(np.uint8),
            (0, 0),
            rng.uniform(0.5, 5),
        )
        for frame in frames
    ]
    exact, fast = (follow(cropper, hard) for cropper in croppers)
    found = [isinstance(face, Face) for face in exact]
    assert 5 < sum(found) < 40  # some are too hard, or the test would show nothing
    assert all(isinstance(face, Face) for face, wanted in zip(fast, found, strict=True) if wanted)


def test_a_face_too_small_for_the_cheap_searches_is_found(croppers):
    frame = np.full((1080, 1440, 3), 90, np.uint8)
    frame[400:520, 700:820] = cv2.resize(still(0), (120, 120), interpolation=cv2.INTER_AREA)
    exact, fast = (cropper.crop(frame) for cropper in croppers)
    assert isinstance(exact, Face)
    assert isinstance(fast, Face)
    assert overlap(exact.box, fast.box) > 0.5


def test_the_same_person_is_kept_where_exact_takes_whoever_is_larger(croppers):
    near, far = (cv2.resize(still(number), (260, 260)) for number in (0, 1))
    frames = []
    for step in range(6):
        frame = np.full((300, 640, 3), 90, np.uint8)
        left, right = (260, 200) if step % 2 == 0 else (200, 260)
        frame[20 : 20 + left, 20 : 20 + left] = cv2.resize(near, (left, left))
        frame[20 : 20 + right, 340 : 340 + right] = cv2.resize(far, (right, right))
        frames.append(frame)
    exact, fast = (follow(cropper, frames) for cropper in croppers)
    assert [face.box.centre.real < 320 for face in exact] == [True, False] * 3
    assert [face.box.centre.real < 320 for face in fast] == [True] * 6


def test_after_a_cut_the_largest_face_is_taken(croppers):
    left, right = np.full((2, 300, 640, 3), 90, np.uint8)
    left[20:280, 10:270] = cv2.resize(still(0), (260, 260))
    right[20:280, 370:630] = cv2.resize(still(1), (260, 260))
    first, second = follow(croppers[1], [left, right])
    assert first.box.centre.real < 320 < second.box.centre.real


def test_the_search_near_a_face_sees_only_its_surroundings():
    frame = np.full((300, 900, 3), 90, np.uint8)
    frame[20:280, 600:860] = cv2.resize(still(0), (260, 260))
    search = FaceSearch(1)
    there = largest(search.exact(frame))
    assert search.near(frame, moved(there, -20, 10)) is not None
    assert search.near(frame, moved(there, -500, 0)) is None
    assert search.near(frame, moved(there, 5000, 0)) is None  # outside of the frame altogether


def test_the_nearest_face_of_about_the_same_size_continues_a_clip():
    last = Box(100, 100, 199, 199, 1.0)
    near, nearer_but_small, far = moved(last, 30, 0), Box(140, 140, 169, 169, 1.0), moved(last, 150, 0)
    assert same_face([far, nearer_but_small, near], last) == near
    assert same_face([far, nearer_but_small], last) is None
    assert same_face([], last) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (40, 3)])
def test_a_sliver_has_no_face(croppers, shape):
    frame = np.full((*shape, 3), 127, np.uint8)
    for cropper in croppers:
        assert cropper.crop(frame, last=Box(0, 0, 99, 99, 1.0)) is Skip.NO_FACE
        assert cropper.crop_all(frame) == []
