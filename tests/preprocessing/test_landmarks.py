"""Which landmark predictor is used, what it is, and that wrong files are refused in one sentence."""

import hashlib
import shutil
from pathlib import Path

import dlib
import numpy as np
import pytest

from config.errors import InputError
from preprocessing.landmarks import (
    COMPACT_MODEL,
    FOREHEAD,
    MIRROR,
    find_predictor,
    git_blob_hash,
    load_predictor,
    predict,
)
from preprocessing.predictor_file import number_of_points
from tests.faces import still


def packed(value: int) -> bytes:
    """An integer as dlib writes it, for values of one byte."""
    return bytes([0x81 if value < 0 else 0x01, abs(value)])


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """The first half of the compact model, as a broken download leaves it."""
    path = tmp_path / "half.dat"
    path.write_bytes(COMPACT_MODEL.read_bytes()[: COMPACT_MODEL.stat().st_size // 2])
    return path


@pytest.fixture(scope="module")
def compact():
    return load_predictor(find_predictor(environ={}))


@pytest.mark.parametrize(
    ("content", "expected"),
    # what `git hash-object` prints
    [(b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"), (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a")],
)
def test_git_blob_hash_is_gits(content, expected):
    assert git_blob_hash(content) == expected


def test_without_a_choice_the_compact_model_is_used():
    found = find_predictor(environ={})
    assert (found.path, found.name) == (COMPACT_MODEL, "assay-compact-81")
    assert found.sha256 == hashlib.sha256(COMPACT_MODEL.read_bytes()).hexdigest()
    assert find_predictor(environ={"ASSAY_LANDMARKS": ""}) == found


def test_the_given_file_comes_before_the_environments(tmp_path, damaged):
    copy = shutil.copy(COMPACT_MODEL, tmp_path / "copy.dat")
    environ = {"ASSAY_LANDMARKS": str(damaged)}
    from_environment = find_predictor(environ=environ)
    assert (from_environment.path, from_environment.name) == (damaged, "custom")
    given = find_predictor(copy, environ)
    assert (given.path, given.name) == (copy, "assay-compact-81")  # known by its content, not by its place


def test_the_official_file_is_known_by_its_git_blob_hash(monkeypatch, damaged):
    # the file itself may not be shipped, so a stand-in is given its hash
    monkeypatch.setattr("preprocessing.landmarks.git_blob_hash", lambda _: "99036323b9c97e382836fec68ade1130d2b97324")
    assert find_predictor(damaged, {}).name == "dlib81-official"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file"),
        (b"", "is not a dlib shape predictor"),
        (b"<!DOCTYPE html>" * 100, "is not a dlib shape predictor"),
        (b"\xff" * 100, "is not a dlib shape predictor"),
        (b"\x01", "is not a dlib shape predictor"),
        (packed(2) + packed(-162) + packed(-1), "is not a dlib shape predictor"),
        (packed(1) + packed(-136) + packed(-1), "predicts 68 points; expected one of 81 points"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "wrong.dat"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=sentence) as error:
        find_predictor(path, {})
    assert str(path) in str(error.value)
    with pytest.raises(InputError, match=rf"\(from ASSAY_LANDMARKS\).*{sentence}"):
        find_predictor(environ={"ASSAY_LANDMARKS": str(path)})


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        find_predictor(tmp_path, {})


def test_a_damaged_file_is_refused_when_loaded(damaged):
    with pytest.raises(InputError, match=r"half\.dat is damaged"):
        load_predictor(find_predictor(damaged, {}))


def test_the_committed_model_has_81_points_in_8_megabytes(compact):
    assert COMPACT_MODEL.stat().st_size <= 8_000_000
    assert number_of_points(COMPACT_MODEL.read_bytes()) == 81
    points = predict(compact, np.zeros((64, 64, 3), np.uint8), dlib.rectangle(8, 8, 55, 55))
    assert points.shape == (81, 2)
    assert points.dtype == np.int64


def test_mirroring_twice_is_nothing():
    assert sorted(MIRROR) == list(range(81))
    assert (MIRROR[MIRROR] == np.arange(81)).all()


def test_mirroring_swaps_left_and_right_and_keeps_the_middle():
    assert [int(i) for i in np.flatnonzero(np.arange(81) == MIRROR)] == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66, 71]
    # outer and inner eye corners, brows' ends, nostrils, mouth corners, jaw's ends, temples
    for left, right in [(36, 45), (39, 42), (17, 26), (31, 35), (48, 54), (60, 64), (0, 16), (77, 78), (68, 73)]:
        assert MIRROR[left] == right
    # lids: below stays below
    assert MIRROR[[37, 38, 40, 41]].tolist() == [44, 43, 47, 46]


def test_a_mirrored_picture_has_the_mirrored_landmarks(compact):
    rgb = np.ascontiguousarray(still()[..., ::-1])
    width = rgb.shape[1]
    box = max(dlib.get_frontal_face_detector()(rgb, 1), key=lambda found: found.area())
    points = predict(compact, rgb, box)
    mirrored_box = dlib.rectangle(width - 1 - box.right(), box.top(), width - 1 - box.left(), box.bottom())
    mirrored = predict(compact, np.ascontiguousarray(rgb[:, ::-1]), mirrored_box)
    back = (mirrored * [-1, 1] + [width - 1, 0])[MIRROR]
    unit = np.linalg.norm(points[45] - points[36])
    distance = np.linalg.norm(back - points, axis=1) / unit
    assert distance.mean() < 0.05
    assert distance.max() < 0.2

    # the points lie where a face has them
    assert (np.diff(points[list(FOREHEAD), 0]) > 0).all()
    assert points[list(FOREHEAD[3:10]), 1].max() < points[17:27, 1].mean()
    brows, eyes, nose, mouth, chin = (
        points[part, 1].mean() for part in (range(17, 27), range(36, 48), [30], range(48, 68), [8])
    )
    assert brows < eyes < nose < mouth < chin
    assert points[36:42, 0].max() < points[30, 0] < points[42:48, 0].min()
