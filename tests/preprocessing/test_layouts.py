"""Layouts on synthetic trees in the official shape: which clips are listed, with which split, class and identities."""

import json
from pathlib import Path

import pytest

from config.errors import InputError
from config.load import config_names, load_config
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.layouts import list_clips


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


@pytest.fixture
def ffpp(tmp_path: Path) -> Path:
    for split, pairs in {"train": [["000", "003"]], "val": [["010", "011"]], "test": [["020", "021"]]}.items():
        (tmp_path / f"{split}.json").write_text(json.dumps(pairs))
    touch(
        tmp_path,
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/youtube/c40/videos/000.mp4",
        "original_sequences/youtube/c23/landmarks/000/000.npy",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/021_020.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/999_998.mp4",
    )
    return tmp_path


def test_ffpp_gives_split_identities_mask_and_deepfakebench_folders(ffpp: Path):
    clips = {clip.video_id: clip for clip in list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)}
    fake = clips["FaceForensics++/FF-DF/c23/manipulated_sequences/Deepfakes/c23/videos/000_003"]
    assert (fake.split, fake.label, fake.method) == ("train", 1, "Deepfakes")
    assert (fake.identity_target, fake.identity_source) == ("000", "003")
    assert fake.mask == ffpp / "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4"
    assert fake.store_folder == "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/000_003"
    assert {clip.compression for clip in clips.values() if clip.label == 0} == {"c23", "c40"}
    assert len(clips) == 5


def test_same_pair_names_of_two_manipulations_stay_two_videos(ffpp: Path):
    touch(ffpp, "manipulated_sequences/FaceSwap/c23/videos/000_003.mp4")
    ids = [clip.video_id for clip in list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)]
    assert len([name for name in ids if name.endswith("000_003")]) == 2
    assert len(set(ids)) == len(ids)


def test_a_video_in_no_split_file_is_listed_as_a_skip(ffpp: Path):
    clips = list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)
    assert [clip.name for clip in clips if clip.skip == "in no split file"] == [
        "manipulated_sequences/FaceSwap/c23/videos/999_998"
    ]


def test_one_compression_level_can_be_chosen(ffpp: Path):
    clips = list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp, "c40")
    assert [clip.compression for clip in clips] == ["c40"]
    with pytest.raises(InputError, match="compression raw"):
        list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp, "raw")


@pytest.mark.parametrize("content", [None, "not json", "[1, 2]"])
def test_a_missing_or_broken_split_file_is_one_sentence(ffpp: Path, content: str | None):
    (ffpp / "val.json").unlink()
    if content is not None:
        (ffpp / "val.json").write_text(content)
    with pytest.raises(InputError, match=r"val\.json"):
        list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)


def test_celebdf_keeps_both_real_folders_and_test_videos_out_of_train(tmp_path: Path):
    touch(
        tmp_path,
        "Celeb-real/id0_0000.mp4",
        "Celeb-real/id1_0000.mp4",
        "YouTube-real/00170.mp4",
        "Celeb-synthesis/id0_id1_0000.mp4",
    )
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 Celeb-real/id0_0000.mp4\n1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n"
    )
    clips = list_clips(load_config(DatasetConfig, "Celeb-DF-v2"), tmp_path)
    assert [(clip.name, clip.split, clip.label) for clip in clips] == [
        ("Celeb-synthesis/id0_id1_0000", "test", 1),
        ("Celeb-real/id0_0000", "test", 0),
        ("Celeb-real/id1_0000", "train", 0),
        ("YouTube-real/00170", "test", 0),
    ]
    assert clips[0].store_folder == "Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_0000"
    assert [clips[1].identity_target, clips[0].identity_target, clips[0].identity_source] == ["id0", "id0", "id1"]


def test_folders_take_videos_frames_and_stills(tmp_path: Path):
    touch(
        tmp_path, "real/clip.MP4", "real/walk/2.png", "real/walk/10.png", "fake/a.jpg", "fake/b.jpg", "fake/notes.txt"
    )
    clips = {clip.name: clip for clip in list_clips(load_config(DatasetConfig, "custom"), tmp_path)}
    assert sorted(clips) == ["fake/a", "fake/b", "real/clip", "real/walk"]
    assert [path.name for path in clips["real/walk"].files] == ["2.png", "10.png"]
    assert {name: clip.media for name, clip in clips.items()} == {
        "fake/a": "image",
        "fake/b": "image",
        "real/clip": "video",
        "real/walk": "video",
    }
    assert {clip.split for clip in clips.values()} == {"test"}


def test_frames_that_deepfakebench_left_beside_a_video_are_passed_over(ffpp: Path):
    before = list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)
    touch(
        ffpp, "original_sequences/youtube/c23/frames/000/000.png", "original_sequences/youtube/c23/frames/000/012.png"
    )
    touch(ffpp, "original_sequences/youtube/c23/frames/003/000.png")
    after = list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)
    assert [clip.name for clip in after if clip not in before] == ["original_sequences/youtube/c23/frames/003"]


def test_files_that_differ_only_in_suffix_stay_two_clips(tmp_path: Path):
    touch(tmp_path, "real/a.mp4", "real/a.avi", "fake/a.jpg", "fake/a.png")
    clips = list_clips(load_config(DatasetConfig, "custom"), tmp_path)
    assert sorted(clip.name for clip in clips) == ["fake/a.jpg", "fake/a.png", "real/a.avi", "real/a.mp4"]
    assert len({clip.store_folder for clip in clips}) == 4


def test_folders_below_splits(tmp_path: Path):
    touch(tmp_path, "train/real/a.mp4", "val/fake/a.mp4", "test/real/a.mp4")
    clips = list_clips(load_config(DatasetConfig, "custom"), tmp_path)
    assert sorted((clip.split, clip.name) for clip in clips) == [
        ("test", "test/real/a"),
        ("train", "train/real/a"),
        ("val", "val/fake/a"),
    ]


def test_missing_root_and_empty_root(tmp_path: Path):
    config = load_config(DatasetConfig, "custom")
    with pytest.raises(InputError, match="no such folder"):
        list_clips(config, tmp_path / "absent")
    with pytest.raises(InputError, match="expected to have real, fake"):
        list_clips(config, tmp_path)


@pytest.mark.parametrize("name", config_names(DatasetConfig))
def test_every_shipped_data_set_names_a_known_layout(name: str):
    config = load_config(DatasetConfig, name)
    assert config.name == name
    assert config.layout in LAYOUT
