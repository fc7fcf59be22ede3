"""Preprocessing small data sets of real files: what is stored, what is skipped and why, going on, spreading out."""

import json
import resource
import shutil
import signal
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pandas as pd
import pytest

from config.errors import InputError
from config.load import load_config
from config.schema import DatasetConfig, Profile
from preprocessing.clips import Clip
from preprocessing.landmarks import find_predictor
from preprocessing.loose import make_cropper
from preprocessing.manifest import coverage, write_manifest
from preprocessing.pipeline import manifest_path, preprocess, process_clip, store_name
from preprocessing.rows import load_rows, spread
from preprocessing.samples import BrokenSampleError, FaceSet, open_faces
from preprocessing.store import FaceStore
from preprocessing.workers import worker_context
from tests.faces import still
from tests.media import write_video

PROFILE = load_config(Profile, "dfb", ["num_frames=3"])
CUSTOM = load_config(DatasetConfig, "custom")


def talking(number: int, frames: int = 6) -> np.ndarray:
    """A still that shifts by a few pixels from frame to frame, and no face in the last one."""
    image = cv2.resize(still(number), (240, 240))
    moving = [np.roll(image, 2 * step, axis=1) for step in range(frames - 1)]
    return np.stack([*moving, np.zeros_like(image)])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    write_video(root / "real" / "clip.mp4", talking(0))
    (root / "real" / "broken.mp4").write_bytes(b"hello")
    (root / "fake").mkdir()
    cv2.imwrite(str(root / "fake" / "still.jpg"), still(1))
    (root / "fake" / "empty.png").write_bytes(b"")
    write_video(root / "fake" / "nobody.mp4", [0, 50, 100])
    return root


def run(root: Path, data: Path, **options) -> pd.DataFrame:
    return preprocess(CUSTOM, root, data, PROFILE, find_predictor(environ={}), **options)


@pytest.fixture(scope="module")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    data = tmp_path_factory.mktemp("data")
    return data, run(root, data)


def test_every_sampled_frame_has_a_row_with_a_face_or_a_reason(made):
    _, rows = made
    assert {(name.split("/")[-1], frame): skip for name, frame, skip in rows[["video_id", "frame", "skip"]].values} == {
        ("broken", -1): "unreadable media: not a video",
        ("clip", 0): "",
        ("clip", 2): "",
        ("clip", 5): "no face",
        ("empty", 0): "unreadable frame",
        ("nobody", 0): "no face",
        ("nobody", 1): "no face",
        ("nobody", 2): "no face",
        ("still", 0): "",
    }
    assert coverage(rows).skips == {"no face": 4, "unreadable media: not a video": 1, "unreadable frame": 1}


def test_crops_and_landmarks_are_in_the_store_under_deepfakebench_keys(made):
    data, rows = made
    faces = rows[rows["skip"] == ""]
    assert faces["key"].tolist() == [
        "custom/real/frames/clip/000.png",
        "custom/real/frames/clip/002.png",
        "custom/fake/frames/still/000.png",
    ]
    store = FaceStore(data / "dfb" / store_name("custom"))
    assert store.meta()["predictor"] == find_predictor(environ={}).name
    sample = open_faces(data, ["custom"], "test", with_landmark=True).read(0)
    assert sample.image.shape == (256, 256, 3)
    assert sample.landmark is not None
    assert 0 < sample.landmark.min() < sample.landmark.max() < 300


def test_two_processes_give_the_rows_and_bytes_of_one(made, root: Path, tmp_path: Path):
    data, rows = made
    seen = []
    pd.testing.assert_frame_equal(run(root, tmp_path, workers=2, on_progress=lambda *done: seen.append(done)), rows)
    assert seen == [(number, 5) for number in range(1, 6)]
    one, two = (FaceStore(folder / "dfb" / store_name("custom")) for folder in (data, tmp_path))
    assert list(one.keys()) == list(two.keys())
    assert all(one.get(key) == two.get(key) for key in one.keys())  # noqa: SIM118


def test_workers_start_although_this_process_has_used_opencvs_threads(root: Path, tmp_path: Path):
    threads = cv2.getNumThreads()
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (31, 31), 0)
    rows = run(root, tmp_path, workers=2)  # a fork of this process would wait forever for a lock
    cv2.setNumThreads(threads)
    assert (rows["skip"] == "").sum() == 3


def test_a_second_run_does_only_what_is_missing(root: Path, tmp_path: Path):
    media, data = tmp_path / "media", tmp_path / "data"
    write_video(media / "real" / "a.mp4", talking(0, 3))
    (media / "real" / "b.mp4").write_bytes(b"broken")
    run(media, data)
    write_video(media / "real" / "b.mp4", talking(1, 3))
    seen = []
    rows = run(media, data, on_progress=lambda *done: seen.append(done))
    assert seen == [(2, 2)]
    assert "unreadable media" not in " ".join(rows["skip"])


def test_media_in_two_splits_are_not_cropped(tmp_path: Path):
    write_video(tmp_path / "a.mp4", talking(0, 3))
    (tmp_path / "list.csv").write_text("path,label,split\na.mp4,real,train\na.mp4,real,test\n")
    listed = DatasetConfig(name="listed", title="", layout="csv", listing="list.csv")
    with pytest.raises(InputError, match=r"a\.mp4 is listed in split train and in split test"):
        preprocess(listed, tmp_path, tmp_path / "data", PROFILE, find_predictor(environ={}))


def test_why_a_file_cannot_be_read_is_said_without_its_path(root: Path, tmp_path: Path):
    absent = Clip("set", "test", 0, "real", "real", "", "video", (tmp_path / "a.mp4",), "a", "set/frames/a")
    cropper = make_cropper(PROFILE, find_predictor(environ={}))
    (row,) = process_clip(absent, cropper, tmp_path, "set_lmdb").rows
    assert row.skip == "unreadable media: No such file or directory"


def test_another_profile_does_not_mix_into_a_store(made, root: Path):
    data, _ = made
    other = load_config(Profile, "dfb", ["num_frames=3", "scale=1.5"])
    with pytest.raises(InputError, match="another profile"):
        preprocess(CUSTOM, root, data, other, find_predictor(environ={}))


def test_samples_name_what_is_missing(made):
    data, _ = made
    with pytest.raises(InputError, match="did you mean 'custom'"):
        open_faces(data, ["costum"], "test")
    with pytest.raises(InputError, match="it has splits test"):
        open_faces(data, ["custom"], "train")
    with pytest.raises(InputError, match="assay preprocess"):
        open_faces(data / "elsewhere", ["custom"], "test")


def test_a_broken_value_is_never_another_sample(made):
    data, _ = made
    rows = load_rows(data, "custom", "test")
    faces = FaceSet(rows[rows["skip"] == ""].assign(key="custom/real/frames/clip/999.png"))
    with pytest.raises(BrokenSampleError, match=r"999\.png"):
        faces.read(0)


def test_a_store_of_another_profile_or_predictor_is_not_read(made, root: Path, tmp_path: Path):
    data, _ = made
    other = load_config(Profile, "dfb", ["num_frames=3", "mode=exact"])
    preprocess(CUSTOM, root, tmp_path, other, find_predictor(environ={}))
    shutil.copytree(data / "dfb" / store_name("custom"), tmp_path / "dfb" / store_name("custom"), dirs_exist_ok=True)
    with pytest.raises(InputError, match="another profile"):
        load_rows(tmp_path, "custom", "test")


def test_a_face_without_landmarks_is_broken_only_for_those_who_want_them(made, tmp_path: Path):
    data, _ = made
    shutil.copytree(data, tmp_path / "data")
    with lmdb.open(str(tmp_path / "data" / "dfb" / store_name("custom"))) as env, env.begin(write=True) as txn:
        assert txn.delete(b"custom/real/landmarks/clip/000.npy")
    assert open_faces(tmp_path / "data", ["custom"], "test").read(0).landmark is None
    with pytest.raises(BrokenSampleError, match=r"landmarks/clip/000\.npy"):
        open_faces(tmp_path / "data", ["custom"], "test", with_landmark=True).read(0)


def test_a_fake_without_a_mask_is_broken_only_for_those_who_want_it(made):
    rows = load_rows(made[0], "custom", "test")
    rows = rows[rows["skip"] == ""].assign(label=1)
    assert FaceSet(rows).read(0).mask is None
    with pytest.raises(BrokenSampleError, match=r"masks/.*\.png'; with_mask needs every fake's mask$"):
        FaceSet(rows, with_mask=True).read(0)


def test_a_full_disk_ends_in_a_sentence_and_a_second_run_goes_on(root: Path, tmp_path: Path):
    process = worker_context().Process(target=run_on_a_full_disk, args=(root, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not manifest_path(tmp_path, "dfb", "custom").exists()
    rows = run(root, tmp_path)
    assert (rows["skip"] == "").sum() == 3
    faces = open_faces(tmp_path, ["custom"], "test", with_landmark=True)
    assert all(faces.read(index).image.size for index in range(len(faces)))


def run_on_a_full_disk(root: Path, data: Path) -> None:
    """No file may grow beyond what the first clips take."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    with pytest.raises(InputError, match="cannot write"):
        run(root, data)


def test_a_folder_that_cannot_be_made_ends_in_a_sentence(root: Path, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        run(root, tmp_path / "file" / "data")


def test_a_store_outside_the_manifests_folder_is_refused(made, tmp_path: Path):
    _, rows = made
    write_manifest(manifest_path(tmp_path, "dfb", "custom"), rows.assign(store="../../etc").to_dict("records"), {})
    with pytest.raises(InputError, match="outside"):
        load_rows(tmp_path, "custom", "test")


def test_mask_videos_are_cropped_with_their_fakes_and_reals_have_empty_masks(tmp_path: Path):
    for split, pairs in {"train": [["000", "001"]], "val": [], "test": []}.items():
        (tmp_path / f"{split}.json").write_text(json.dumps(pairs))
    frames = talking(0, 3)[:2]
    masks = np.zeros_like(frames)
    masks[:, :120] = 255
    manipulated = tmp_path / "manipulated_sequences" / "Deepfakes"
    write_video(tmp_path / "original_sequences" / "youtube" / "c23" / "videos" / "000.mp4", frames)
    write_video(manipulated / "c23" / "videos" / "000_001.mp4", frames)
    write_video(manipulated / "masks" / "videos" / "000_001.mp4", masks)
    ffpp = load_config(DatasetConfig, "FaceForensics++")
    preprocess(ffpp, tmp_path, tmp_path / "data", PROFILE, find_predictor(environ={}))
    faces = open_faces(tmp_path / "data", ["FaceForensics++"], "train", compression="c23", with_mask=True)
    real, fake = (faces.read(int(np.flatnonzero(faces.labels == label)[0])).mask for label in (0, 1))
    assert real is not None
    assert real.max() == 0
    assert fake is not None
    assert fake[80:96, 112:144].min() == 255
    assert fake[-32:, 112:144].max() == 0


def test_spread_takes_even_frames_of_each_video_with_all_their_faces():
    rows = pd.DataFrame({"video_id": ["a"] * 8 + ["b"] * 2, "frame": [0, 1, 2, 3, 4, 5, 6, 6, 0, 1], "face": 0})
    rows.loc[7, "face"] = 1
    kept = spread(rows, 3)
    assert list(zip(kept["video_id"], kept["frame"], kept["face"], strict=True)) == [
        ("a", 0, 0),
        ("a", 3, 0),
        ("a", 6, 0),
        ("a", 6, 1),
        ("b", 0, 0),
        ("b", 1, 0),
    ]
