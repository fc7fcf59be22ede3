"""Data sets that ship aligned crops: stored as they are, with the landmarks and masks that came along."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.clips import EMPTY, numbers_of
from preprocessing.faces import Face, FaceCropper
from preprocessing.landmarks import find_predictor
from preprocessing.pipeline import preprocess
from preprocessing.rows import load_rows
from preprocessing.samples import open_faces
from preprocessing.store import FaceStore
from tests.faces import still
from tests.preprocessing.layouts.trees import ffpp_splits, tree

PROFILE = load_config(Profile, "dfb", ["num_frames=4"])
DF40 = load_config(DatasetConfig, "DF40-ff")


@pytest.fixture(scope="module")
def face() -> Face:
    found = FaceCropper(PROFILE, find_predictor(environ={})).crop(still())
    assert isinstance(found, Face)
    return found


def noise() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def data(face: Face, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deepfakes")
    ffpp_splits(root / "FaceForensics++", test=["020_021"])
    fakes = root / "DF40/fsgan/ff"
    for name in ("012", "7", "300"):
        tree(root, f"DF40/fsgan/ff/frames/020_021/{name}.png")
        cv2.imwrite(str(fakes / f"frames/020_021/{name}.png"), face.crop)
    (fakes / "frames/020_021/301.png").write_bytes(b"")
    tree(
        root, "DF40/fsgan/ff/frames/021_020/", "DF40/fsgan/ff/masks/020_021/012.png", "DF40/fsgan/ff/landmarks/020_021/"
    )
    cv2.imwrite(str(fakes / "masks/020_021/012.png"), np.full((256, 256), 7, np.uint8))
    np.save(fakes / "landmarks/020_021/012.npy", np.tile([[5, 9]], (81, 1)))
    np.save(fakes / "landmarks/020_021/300.npy", np.zeros((5, 2)))
    real = tree(root, "FaceForensics++/original_sequences/youtube/c23/frames/020/a.png") / (
        "FaceForensics++/original_sequences/youtube/c23/frames/020/a.png"
    )
    cv2.imwrite(str(real), noise())
    made = tmp_path_factory.mktemp("data")
    preprocess(DF40, root, made, PROFILE, find_predictor(environ={}))
    return made


def test_each_crop_is_stored_as_it_is_under_its_own_number(data: Path, face: Face):
    faces = open_faces(data, ["fsgan_ff"], "test")
    fakes = faces.rows[faces.rows["label"] == 1]
    folder = "DF40-ff/DF40/fsgan/ff/frames/020_021"
    assert fakes[["frame", "key"]].values.tolist() == [[n, f"{folder}/{n:03}.png"] for n in (7, 12, 300)]
    for index in fakes.index:
        np.testing.assert_array_equal(faces.read(index).image[..., ::-1], face.crop)


def test_landmarks_and_masks_that_came_along_are_kept(data: Path, face: Face):
    faces = open_faces(data, ["fsgan_ff"], "test", with_landmark=True)
    by_frame = {row.frame: faces.read(row.Index) for row in faces.rows.itertuples() if row.label == 1}
    np.testing.assert_array_equal(by_frame[12].landmark, np.tile([[5, 9]], (81, 1)))
    for broken_or_none in (7, 300):
        np.testing.assert_array_equal(by_frame[broken_or_none].landmark, face.landmarks)
    store = FaceStore(data / "dfb" / "DF40-ff_lmdb")
    keys = list(store.keys())
    assert [key for key in keys if "/masks/" in key] == ["DF40-ff/DF40/fsgan/ff/masks/020_021/012.png"]


def test_a_crop_without_a_face_that_is_found_is_kept_with_landmarks_inside(data: Path):
    faces = open_faces(data, ["fsgan_ff"], "test", with_landmark=True)
    (index,) = faces.rows.index[faces.rows["label"] == 0]
    sample = faces.read(index)
    np.testing.assert_array_equal(sample.image[..., ::-1], noise())
    assert sample.landmark is not None
    assert ((sample.landmark > 0) & (sample.landmark < 224)).all()


def test_empty_folders_and_files_are_counted(data: Path):
    rows = load_rows(data, "DF40-ff", "test")
    skipped = rows.loc[rows["skip"] != "", ["video_id", "frame", "skip"]].values.tolist()
    base = "DF40-ff/fsgan_Fake/DF40/fsgan/ff/frames"
    assert skipped == [[f"{base}/020_021", 301, "unreadable frame"], [f"{base}/021_020", -1, EMPTY]]


def test_names_are_frame_numbers_only_if_they_are_different_numbers():
    assert list(numbers_of(["7", "012", "300"])) == [7, 12, 300]
    assert list(numbers_of(["7", "007", "8"])) == [0, 1, 2]
    assert list(numbers_of(["a", "1"])) == [0, 1]
    assert list(numbers_of(["9" * 12])) == [0]
