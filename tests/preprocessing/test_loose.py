"""Loose crops of real pictures: which faces, in which order, whose landmarks, and what is stored and read again."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.errors import InputError
from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.boxes import iou
from preprocessing.faces import Face, Skip
from preprocessing.landmarks import find_predictor
from preprocessing.loose import LooseCropper, make_cropper
from preprocessing.margins import landmark_box, loose_window, moved, tight_crop
from preprocessing.pipeline import manifest_path, preprocess, store_name
from preprocessing.rows import load_rows, spread
from preprocessing.samples import BrokenSampleError, FaceSet, open_faces
from preprocessing.search import Box
from preprocessing.store import FaceStore, FaceStoreWriter, box_key, decode_box, encode_box
from tests.faces import still

PREDICTOR = find_predictor(environ={})
FRAME = (400, 760)


def two_people() -> np.ndarray:
    """The larger face on the left."""
    frame = np.full((*FRAME, 3), 90, np.uint8)
    frame[:400, :400] = still(0)
    frame[80:340, 480:740] = cv2.resize(still(1), (260, 260))
    return frame


def half(right: bool) -> np.ndarray:
    """A mask of the right or left part of the frame."""
    mask = np.zeros(FRAME, np.uint8)
    mask[:, 440:] = 255 * right
    mask[:, :440] = 255 * (not right)
    return mask


def in_frame(face: Face) -> np.ndarray:
    """The landmarks in pixels of the frame."""
    return face.landmarks + np.array([face.box.left - face.box_in_crop.left, face.box.top - face.box_in_crop.top])


def cropper(**changes: object) -> LooseCropper:
    made = make_cropper(load_config(Profile, "sbi").model_copy(update=changes), PREDICTOR)
    assert isinstance(made, LooseCropper)
    return made


@pytest.fixture(scope="module")
def people() -> tuple[Face, Face]:
    """The larger and the smaller face, as dlib alone finds them."""
    large, small = cropper().faces(two_people())
    return large, small


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A cropper whose detector file says that faces are where the caller says."""

    def make(*boxes: Box) -> LooseCropper:
        (tmp_path / "d.onnx").write_bytes(b"")
        monkeypatch.setattr("preprocessing.loose.load_boxes", lambda file: lambda frame: list(boxes))
        return cropper(detector_file=str(tmp_path / "d.onnx"))

    return make


def test_all_faces_are_cut_out_as_they_lie_in_the_frame_the_largest_first(people):
    frame, (large, small) = two_people(), people
    assert large.box.area > small.box.area
    assert large.box.centre.real < 400 < small.box.centre.real
    for face in (large, small):
        rows, columns = loose_window(in_frame(face), *FRAME)
        assert moved(face.box, (rows, columns)) == face.box_in_crop
        np.testing.assert_array_equal(face.crop, frame[rows, columns])
        assert iou(landmark_box(face.landmarks), face.box_in_crop) > 0.5
        assert face.placed_by == "dlib"


def test_the_face_that_a_mask_marks_comes_first_and_masks_are_cut_alike(people):
    frame, mask = two_people(), half(right=True)
    marked, other = cropper().faces(frame, mask)
    assert (other.box, marked.box) == (people[0].box, people[1].box)
    assert marked.mask.shape == marked.crop.shape[:2]
    assert marked.mask[marked.box_in_crop.top : marked.box_in_crop.bottom].min(axis=0).max() == 255
    assert not other.mask[:, : other.box_in_crop.right].any()
    assert cropper().faces(frame, np.zeros_like(mask))[0].box == other.box


def test_one_face_is_the_largest_unless_another_was_followed(people):
    frame, (large, small) = two_people(), people
    one = cropper(faces="largest")
    assert [face.box for face in one.faces(frame)] == [large.box]
    assert [face.box for face in one.faces(frame, last=small.box)] == [small.box]
    assert [face.box for face in one.faces(frame, half(right=False), small.box)] == [large.box]
    assert cropper().faces(frame, last=small.box)[0].box == large.box


def test_the_detectors_box_meets_the_landmarks_of_the_same_face(planted, people):
    frame, (large, _) = two_people(), people
    tall = Box(large.box.left, large.box.top - 60, large.box.right, large.box.bottom + 20, 0.9)
    (face,) = planted(tall).faces(frame)  # the other one is no face for this detector
    assert face.box == tall
    assert face.placed_by == "dlib"
    np.testing.assert_array_equal(face.crop, large.crop)
    np.testing.assert_array_equal(face.landmarks, large.landmarks)


def test_where_dlib_finds_no_face_landmarks_are_placed_in_the_detectors_box(planted, people):
    frame, (expected, _) = two_people(), people
    hull = landmark_box(in_frame(expected))
    box = replace(hull, top=hull.top - 60)  # from hairline to chin, as these detectors give it
    made = planted(box)
    made._search = type("Blind", (), {"every": lambda self, rgb, fast: []})()
    (face,) = made.faces(frame)
    assert face.placed_by == "detector"
    eyes = np.linalg.norm(expected.landmarks[36] - expected.landmarks[45])
    assert np.linalg.norm(in_frame(face) - in_frame(expected), axis=1)[:68].mean() < 0.1 * eyes


@pytest.mark.parametrize("shape", [(1, 1), (2, 900), (200, 200)])
def test_no_face_is_an_answer(planted, shape):
    frame = np.full((*shape, 3), 127, np.uint8)
    assert cropper().faces(frame) is Skip.NO_FACE
    assert planted().faces(frame) is Skip.NO_FACE


def test_a_box_outside_of_the_frame_is_no_face(planted):
    assert planted(Box(5000, 5000, 5100, 5100, 0.9)).faces(two_people()) is Skip.NO_FACE


SBI = load_config(Profile, "sbi")
CUSTOM = load_config(DatasetConfig, "custom")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    for name in ("real", "fake"):
        (root / name).mkdir()
    cv2.imwrite(str(root / "real" / "two.png"), two_people())
    cv2.imwrite(str(root / "fake" / "one.png"), still(2))
    cv2.imwrite(str(root / "fake" / "nobody.png"), np.zeros((100, 100, 3), np.uint8))
    return root


@pytest.fixture(scope="module")
def data(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    preprocess(CUSTOM, root, data, SBI, PREDICTOR)
    return data


def test_each_face_has_a_row_and_keys_of_its_own(data: Path):
    rows = load_rows(data, "custom", "test", profile="sbi")
    assert rows[["key", "face", "skip"]].values.tolist() == [
        ["custom/real/frames/two/000.png", 0, ""],
        ["custom/real/frames/two/000_1.png", 1, ""],
        ["", -1, "no face"],
        ["custom/fake/frames/one/000.png", 0, ""],
    ]
    assert len(spread(rows[rows["skip"] == ""], 1)) == 3
    store = FaceStore(data / "sbi" / store_name("custom"))
    assert set(store.keys()) == {
        f"custom/{video.replace('frames', folder)}.{suffix}"
        for video in ("real/frames/two/000", "real/frames/two/000_1", "fake/frames/one/000")
        for folder, suffix in (("frames", "png"), ("landmarks", "npy"), ("boxes", "json"))
    }
    assert b'"landmarks_placed_by": "dlib"' in store.get("custom/real/boxes/two/000_1.json")


def test_training_reads_the_first_face_of_a_frame_loose_with_its_box(data: Path, people):
    faces = open_faces(data, ["custom"], "test", profile="sbi", with_landmark=True, with_mask=False)
    assert len(faces) == 2
    sample, expected = faces.read(0), people[0]
    np.testing.assert_array_equal(sample.image, expected.crop[..., ::-1])
    np.testing.assert_array_equal(sample.landmark, expected.landmarks)
    assert sample.box == expected.box_in_crop
    tight = tight_crop(sample, [0.125] * 4)
    assert tight.image.shape[1] == pytest.approx(1.25 * expected.box.width, abs=2)


def test_a_missing_or_damaged_box_breaks_the_sample(data: Path, tmp_path: Path):
    source = FaceStore(data / "sbi" / store_name("custom"))
    rows = load_rows(data, "custom", "test", profile="sbi")
    rows = rows[rows["face"] == 0]
    key = rows["key"].iloc[0]
    for number, value in enumerate((b"", b"[]", b'{"left": 1}', encode_box(Box(9000, 0, 9001, 1, 1.0), "dlib"), None)):
        folder = tmp_path / str(number)
        writer = FaceStoreWriter(folder, source.meta())
        boxes = {} if value is None else {box_key(key): value}
        writer.add("v", {key: source.get(key), **boxes}, [])
        writer.close()
        with pytest.raises(BrokenSampleError, match="box"):
            FaceSet(rows.assign(store_path=str(folder))).read(0)


def test_a_box_comes_back_from_the_store():
    box = Box(-3, 5, 120, 140, 0.75)
    assert decode_box(encode_box(box, "detector")) == box


def test_boxes_of_another_detector_are_not_mixed_in(data: Path, root: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("preprocessing.loose.load_boxes", lambda file: lambda frame: [])
    file = tmp_path / "yunet.onnx"
    file.write_bytes(b"x")
    other = SBI.model_copy(update={"detector_file": str(file)})
    with pytest.raises(InputError, match="detector sha256"):
        preprocess(CUSTOM, root, data, other, PREDICTOR)
    rows = preprocess(CUSTOM, root, tmp_path, other, PREDICTOR)
    assert set(rows["skip"]) == {"no face"}
    store = FaceStore(manifest_path(tmp_path, "sbi", "custom").parent / store_name("custom"))
    assert store.meta()["detector"] == "yunet yunet.onnx"
