"""Layouts whose classes or splits are told by lists: DFDC, its preview, DeeperForensics, FakeAVCeleb, a CSV."""

import csv
import json
from pathlib import Path

import pytest

from config.errors import InputError
from config.load import load_config
from config.schema import DatasetConfig
from preprocessing.clips import ABSENT, Clip
from preprocessing.layouts import list_clips
from preprocessing.layouts.media import UNLISTED
from tests.preprocessing.layouts.trees import clips_of, tree


def brief(clips: dict[str, Clip]) -> dict[str, tuple[int, str, str]]:
    return {name: (clip.label, clip.split, clip.skip) for name, clip in clips.items()}


@pytest.fixture
def dfdc(tmp_path: Path) -> Path:
    tree(tmp_path, "test/aa.mp4", "test/bb.mp4", "test/zz.mp4", "train/dfdc_train_part_0/cc.mp4")
    tree(tmp_path, "train/dfdc_train_part_0/dd.mp4", "train/dfdc_train_part_1/ee.mp4")
    (tmp_path / "test/labels.csv").write_text("filename,label\naa.mp4,0\nbb.mp4,1\ngone.mp4,1\n")
    parts = {0: {"cc.mp4": {"label": "REAL"}, "dd.mp4": {"label": "FAKE", "original": "cc.mp4"}}}
    parts[1] = {"ee.mp4": {"label": "REAL", "split": "train"}}
    for number, metadata in parts.items():
        (tmp_path / f"train/dfdc_train_part_{number}/metadata.json").write_text(json.dumps(metadata))
    return tmp_path


def test_dfdc_reads_labels_csv_and_every_metadata_json(dfdc: Path):
    clips = clips_of("DFDC", dfdc, absent=True)
    assert brief(clips) == {
        "test/aa": (0, "test", ""),
        "test/bb": (1, "test", ""),
        "test/gone": (1, "test", ABSENT),
        "test/zz": (0, "", UNLISTED),
        "train/dfdc_train_part_0/cc": (0, "train", ""),
        "train/dfdc_train_part_0/dd": (1, "train", ""),
        "train/dfdc_train_part_1/ee": (0, "train", ""),
    }
    assert clips["train/dfdc_train_part_0/dd"].identity_target == "cc"
    assert clips["train/dfdc_train_part_0/dd"].store_folder == "DFDC/train/dfdc_train_part_0/frames/dd"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("test/labels.csv", None, "many mirrors lack it"),
        ("test/labels.csv", "file,label\n", "columns filename and label"),
        ("test/labels.csv", "filename,label\naa.mp4,REEL\n", "did you mean 'real'"),
        ("test/labels.csv", "filename,label\n../../aa.mp4,1\n", "leaves the data set's root"),
        ("test/labels.csv", "filename,label\naa.mp4,1\naa.mp4,0\n", r"line 3: aa\.mp4 is labelled both real and fake"),
        ("train/dfdc_train_part_0/metadata.json", "[", "is not JSON"),
        ("train/dfdc_train_part_0/metadata.json", "[1]", "an object for each"),
    ],
)
def test_dfdc_says_what_is_wrong_with_its_lists(dfdc: Path, name: str, content: str | None, complaint: str):
    (dfdc / name).unlink()
    if content is not None:
        (dfdc / name).write_text(content)
    with pytest.raises(InputError, match=complaint):
        clips_of("DFDC", dfdc)


@pytest.fixture
def dfdcp(tmp_path: Path) -> Path:
    tree(tmp_path, "original_videos/1/a.mp4", "method_A/videos/1/2/b.mp4", "method_B/frames/c/000.png")
    tree(tmp_path, "method_A/videos/1/2/stray.mp4")
    listed = {
        "original_videos/1/a.mp4": {"label": "real", "set": "train", "target_id": 1, "swapped_ids": []},
        "method_A/1/2/b.mp4": {"label": "fake", "set": "test", "target_id": 1, "swapped_ids": [7]},
        "method_B/9/c.mp4": {"label": "fake", "set": "test"},
        "method_B/9/gone.mp4": {"label": "fake", "set": "train"},
    }
    (tmp_path / "dataset.json").write_text(json.dumps(listed))
    return tmp_path


def test_dfdcp_finds_what_dataset_json_names_however_it_was_unpacked(dfdcp: Path):
    clips = clips_of("DFDCP", dfdcp, absent=True)
    assert brief(clips) == {
        "original_videos/1/a": (0, "train", ""),
        "method_A/videos/1/2/b": (1, "test", ""),
        "method_A/videos/1/2/stray": (1, "", UNLISTED),
        "method_B/frames/c": (1, "test", ""),
        "method_B/9/gone": (1, "train", ABSENT),
    }
    fake = clips["method_A/videos/1/2/b"]
    assert (fake.class_name, fake.identity_target, fake.identity_source) == ("DFDCP_FakeA", "1", "7")


def test_dfdcp_refuses_a_fake_among_the_originals(dfdcp: Path):
    (dfdcp / "dataset.json").write_text(json.dumps({"original_videos/1/a.mp4": {"label": "fake", "set": "test"}}))
    with pytest.raises(InputError, match=r"original_videos/1/a\.mp4 is said to be fake, which original_videos is not"):
        clips_of("DFDCP", dfdcp)


def test_dfdcp_takes_no_set_that_is_no_split_and_no_people_that_are_no_list(dfdcp: Path):
    facts = {"label": "fake", "set": "tset", "swapped_ids": 7}
    (dfdcp / "dataset.json").write_text(json.dumps({"method_A/1/2/b.mp4": facts}))
    with pytest.raises(InputError, match=r"unknown set in .*method_A/1/2/b\.mp4: 'tset'; did you mean 'test'"):
        clips_of("DFDCP", dfdcp)
    (dfdcp / "dataset.json").write_text(json.dumps({"method_A/1/2/b.mp4": facts | {"set": "test"}}))
    assert clips_of("DFDCP", dfdcp)["method_A/videos/1/2/b"].identity_source == ""


def test_deeperforensics_gives_reals_the_split_of_the_fakes_made_from_them(tmp_path: Path):
    tree(
        tmp_path,
        "manipulated_videos/end_to_end/000_W101.mp4",
        "manipulated_videos/end_to_end/001_M004.mp4",
        "source_videos/W101/light_up/happy/camera_up/W101_light_up_happy_camera_up.mp4",
        "source_videos/M004/BlendShape/camera_up/M004_BlendShape_camera_up.mp4",
        "source_videos/M999/BlendShape/camera_up/M999_BlendShape_camera_up.mp4",
    )
    for split, names in {"train": "000_W101.mp4\n", "val": "", "test": "001_M004.mp4\n002_M004.mp4\n"}.items():
        tree(tmp_path, "lists/splits/")
        (tmp_path / "lists/splits" / f"{split}.txt").write_text(names)
    clips = {name.split("/")[-1]: clip for name, clip in clips_of("DeeperForensics-1.0", tmp_path, absent=True).items()}
    assert {name: (clip.label, clip.split, clip.skip) for name, clip in clips.items()} == {
        "000_W101": (1, "train", ""),
        "001_M004": (1, "test", ""),
        "002_M004": (1, "test", ABSENT),
        "W101_light_up_happy_camera_up": (0, "train", ""),
        "M004_BlendShape_camera_up": (0, "test", ""),
        "M999_BlendShape_camera_up": (0, "", UNLISTED),
    }
    assert (clips["000_W101"].identity_target, clips["000_W101"].identity_source) == ("000", "W101")
    tree(tmp_path, "target_videos/000.mp4")
    reals = [clip for clip in clips_of("DeeperForensics-1.0", tmp_path).values() if clip.label == 0]
    assert [(clip.name, clip.split) for clip in reals] == [("target_videos/000", "train")]


def test_fakeavceleb_leaves_out_real_pictures_with_false_sound(tmp_path: Path):
    tree(
        tmp_path,
        "RealVideo-RealAudio/African/men/id00076/00109.mp4",
        "RealVideo-FakeAudio/African/men/id00076/00109_fake.mp4",
        "FakeVideo-RealAudio/African/men/id00076/00109_0_id00701_wavtolip.mp4",
        "FakeVideo-FakeAudio/African/men/id00076/00109_1.mp4",
    )
    (tmp_path / "meta_data.csv").write_text(
        "source,target1,target2,method,category,type,race,gender,path,\n"
        "id00076,-,-,wav2lip,C,FakeVideo-RealAudio,African,men,00109_0_id00701_wavtolip.mp4,x\n"
    )
    clips = clips_of("FakeAVCeleb", tmp_path)
    assert sorted((clip.label, clip.method, clip.identity_target) for clip in clips.values()) == [
        (0, "real", "id00076"),
        (1, "FakeVideo-FakeAudio", "id00076"),
        (1, "wav2lip", "id00076"),
    ]


def from_csv(root: Path, text: str, **options) -> dict[str, Clip]:
    (root / "office.csv").write_text(text)
    config = DatasetConfig(name="office", title="", layout="csv", listing="office.csv")
    return {clip.name: clip for clip in list_clips(config, root, **options)}


def test_a_csv_lists_videos_frames_and_images(tmp_path: Path):
    tree(tmp_path, "a/one.mp4", "a/two/0.png", "a/two/1.png", "b/three.jpg", "b/unlisted.jpg")
    clips = from_csv(
        tmp_path,
        "path,label,split,method\na/one.mp4,real,train,\na/two,1,test,Wav2Lip\n"
        "b\\three.jpg,FAKE, , \ngone.mp4,0,val,\n",
        absent=True,
    )
    assert {name: (clip.label, clip.split, clip.class_name, clip.media, clip.skip) for name, clip in clips.items()} == {
        "a/one.mp4": (0, "train", "office_real", "video", ""),
        "a/two": (1, "test", "office_Wav2Lip", "video", ""),
        "b/three.jpg": (1, "test", "office_fake", "image", ""),
        "gone": (0, "val", "office_real", "video", ABSENT),
    }
    assert len(clips["a/two"].files) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,lable\na.mp4,1\n", "has no column 'label'"),
        ("path,label,splt\na.mp4,1,test\n", "did you mean 'split'"),
        ("path,label\na.mp4,2\n", "unknown label in .*line 2"),
        ("path,label,split\na.mp4,1,tets\n", "did you mean 'test'"),
        ("path,label\na.mp4,1\na.mp4,0\n", "line 3: a.mp4 is labelled both real and fake"),
        ("path,label\n../a.mp4,1\n", "leaves the data set's root"),
        ("path,label\n/etc/a.mp4,1\n", "leaves the data set's root"),
        ("path,label\nC:\\a.mp4,1\n", "leaves the data set's root"),
        ("path,label\n,1\n", "a path and a label are needed"),
        ("path,label\ngone.mp4,1\n", r"office\.csv names no video or image that is below"),
        ("path,label\n", r"office\.csv names no video or image that is below"),
        ("path;label\na.mp4;1\n", "has no column 'path'; expected path,label,split,method, found path;label"),
        ("", "has no column 'path'; .* the file is empty"),
        ("path,label,method\na.mp4,0,wild\nb.mp4,1,wild\n", "line 3: method 'wild' is given to reals and to fakes"),
        ("path,label\na.mp4,1\n./a.mp4,fake\n", "line 3: a.mp4 is listed a second time"),
    ],
)
def test_a_csv_is_refused_with_its_line(tmp_path: Path, text: str, complaint: str):
    tree(tmp_path, "a.mp4")
    with pytest.raises(InputError, match=complaint):
        from_csv(tmp_path, text)


def test_a_csv_may_come_from_a_spreadsheet(tmp_path: Path):
    tree(tmp_path, "a.mp4")
    with (tmp_path / "sheet.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["path", "label"], ["a.mp4", "fake"]])
    config = load_config(DatasetConfig, "custom").model_copy(update={"layout": "csv", "listing": "sheet.csv"})
    assert [clip.label for clip in list_clips(config.model_copy(update={"classes": []}), tmp_path)] == [1]
