"""Detectors from files: which file is taken for what, how boxes meet landmarks, and what the real files find."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from config.load import load_config
from config.schema import Profile
from preprocessing.boxes import find_detector, iou, load_boxes, match
from preprocessing.search import Box, FaceSearch, largest
from tests.faces import still

MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "assets" / "models"
FILES = {"yunet": "yunet/yunet_n_dynamic.onnx", "retinaface": "retinaface_mnet025/mobilenet0.25_Final.pth"}


def profile(file: Path | None) -> Profile:
    return load_config(Profile, "sbi").model_copy(update={"detector_file": None if file is None else str(file)})


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    left, top = draw(st.tuples(st.integers(-20, 20), st.integers(-20, 20)))
    return Box(left, top, left + draw(st.integers(0, 20)), top + draw(st.integers(0, 20)), 1.0)


@given(one=boxes(), other=boxes())
def test_iou_is_that_of_counted_pixels(one: Box, other: Box):
    def pixels(box: Box) -> np.ndarray:
        canvas = np.zeros((80, 80), bool)
        canvas[box.top + 20 : box.bottom + 21, box.left + 20 : box.right + 21] = True
        return canvas

    a, b = pixels(one), pixels(other)
    assert iou(one, other) == pytest.approx((a & b).sum() / (a | b).sum())


def test_each_box_has_landmarks_of_its_own_the_best_overlap_first():
    face, beside, far = Box(0, 0, 99, 99, 1.0), Box(40, 0, 139, 99, 1.0), Box(500, 500, 599, 599, 1.0)
    shifted = Box(10, 0, 109, 99, 1.0)
    assert match([beside, face], [shifted]) == {1: 0}  # both overlap it by more than 0.3
    assert match([face, far], [shifted, Box(505, 500, 604, 599, 1.0)]) == {0: 0, 1: 1}
    assert match([face], [Box(80, 80, 179, 179, 1.0)]) == {}
    assert match([], [face]) == match([face], []) == {}


def test_a_detector_is_told_by_its_files_suffix(tmp_path: Path):
    assert find_detector(profile(None)) is None
    for name, kind in (("a.onnx", "yunet"), ("b.PTH", "retinaface")):
        (tmp_path / name).write_bytes(b"x")
        found = find_detector(profile(tmp_path / name))
        assert found is not None
        assert (found.kind, found.name) == (kind, f"{kind} {name}")
        assert found.sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


@pytest.mark.parametrize("name", ["none.onnx", "none.pth", "detector.dat"])
def test_a_file_that_is_no_detector_is_named(tmp_path: Path, name: str):
    with pytest.raises(InputError, match=name):
        find_detector(profile(tmp_path / name))


@pytest.mark.parametrize("name", ["broken.onnx", "broken.pth"])
def test_a_damaged_detector_is_refused(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"no network at all")
    with pytest.raises(InputError, match=name):
        load_boxes(find_detector(profile(tmp_path / name)))


@pytest.mark.assets
@pytest.mark.skipif(not MODELS.is_dir(), reason="needs ../shared/assets/models, the detectors' files")
@pytest.mark.parametrize("kind", FILES)
def test_the_real_detectors_find_the_faces_that_dlib_finds(kind: str):
    file = find_detector(profile(MODELS / FILES[kind]))
    assert file is not None
    detect, search = load_boxes(file), FaceSearch(1)
    for number in range(6):
        frame = np.full((480, 720, 3), 90, np.uint8)
        frame[40:440, 100:500] = still(number)
        (box,) = detect(frame)
        assert box.score > 0.9
        assert iou(box, largest(search.exact(frame[:, :, ::-1].copy()))) > 0.4
    assert detect(np.full((300, 400, 3), 90, np.uint8)) == []
