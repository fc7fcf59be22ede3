"""Layouts on synthetic trees in the official shape: which clips are listed, with which split, class and identities."""

import errno
from pathlib import Path

import pytest

from config.errors import InputError
from config.load import config_names, load_config
from config.schema import DatasetConfig
from preprocessing import LAYOUT
from preprocessing.clips import ABSENT, EMPTY
from preprocessing.layouts import list_clips
from tests.preprocessing.layouts.trees import clips_of, ffpp_splits, tree


@pytest.fixture
def ffpp(tmp_path: Path) -> Path:
    ffpp_splits(tmp_path, ["000_003"], ["010_011"], ["020_021"])
    return tree(
        tmp_path,
        "original_sequences/youtube/c23/videos/000.mp4",
        "original_sequences/youtube/c40/videos/000.mp4",
        "original_sequences/youtube/c23/landmarks/000/000.png",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/Deepfakes/masks/videos/000_003.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/021_020.mp4",
        "manipulated_sequences/FaceSwap/c23/videos/999_998.mp4",
    )


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
    tree(ffpp, "manipulated_sequences/FaceSwap/c23/videos/000_003.mp4")
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


@pytest.mark.parametrize("content", [None, "not json", "[1, 2]", '{"010": "011"}', '["010_011"]', "[[10, 11]]"])
def test_a_missing_or_broken_split_file_is_one_sentence(ffpp: Path, content: str | None):
    (ffpp / "val.json").unlink()
    if content is not None:
        (ffpp / "val.json").write_text(content)
    with pytest.raises(InputError, match=r"val\.json"):
        list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)


def test_celebdf_keeps_both_real_folders_and_test_videos_out_of_train(tmp_path: Path):
    tree(
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


@pytest.fixture
def celebdf(tmp_path: Path) -> Path:
    tree(tmp_path, "Celeb-real/id0_0000.mp4", "YouTube-real/00170.mp4", "Celeb-synthesis/id0_id1_0000.mp4")
    (tmp_path / "List_of_testing_videos.txt").write_text("1 YouTube-real/00170.mp4\n")
    return tmp_path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_celebdfs_list_may_have_been_through_windows(celebdf: Path, mark: bytes):
    (celebdf / "List_of_testing_videos.txt").write_bytes(mark + b"1 YouTube-real\\00170.mp4\r\n\r\n")
    splits = {name: clip.split for name, clip in clips_of("Celeb-DF-v2", celebdf).items()}
    assert splits == {
        "Celeb-real/id0_0000": "train",
        "YouTube-real/00170": "test",
        "Celeb-synthesis/id0_id1_0000": "train",
    }


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("List_of_testing_videos.txt", b"\n", "is empty"),
        ("List_of_testing_videos.txt", "1 YouTube-real/00170.mp4\n".encode("utf-16"), "expected a text file in UTF-8"),
        ("List_of_testing_videos.txt", b"YouTube-real/00170.mp4\n", "line 1: expected a label and a path"),
        ("List_of_testing_videos.txt", b"1 Youtube/00170.mp4\n", "line 1: 'Youtube'; did you mean 'YouTube-real'"),
        ("List_of_testing_videos.txt", b"1 Celeb-real/../../a.mp4\n", "leaves the data set's root"),
        ("methods.csv", b"file,method\nCeleb-real/id0_0000.mp4,a\n", "columns path and method"),
    ],
)
def test_what_celebdfs_lists_leave_in_doubt_is_refused(celebdf: Path, name: str, content: bytes, complaint: str):
    (celebdf / name).write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        clips_of("Celeb-DF-v2", celebdf)


def test_what_may_not_be_read_is_named(celebdf: Path, monkeypatch: pytest.MonkeyPatch):
    def forbid(path: Path, **_: str) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    config = load_config(DatasetConfig, "Celeb-DF-v2")
    monkeypatch.setattr(Path, "read_text", forbid)
    with pytest.raises(InputError, match=r"^cannot read .*List_of_testing_videos\.txt: Permission denied$"):
        list_clips(config, celebdf)


def test_an_unknown_compression_level_is_named(ffpp: Path, celebdf: Path):
    with pytest.raises(InputError, match=r"unknown compression level of FaceForensics.* 'c22'; did you mean 'c23'"):
        clips_of("FaceForensics++", ffpp, compression="c22")
    with pytest.raises(InputError, match="unknown compression level of Celeb-DF-v2 'c23'; valid are: none"):
        clips_of("Celeb-DF-v2", celebdf, compression="c23")


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    tree(tmp_path, "sets/real/a.mp4", "disk/more/b.mp4", "sets/fake/c.mp4")
    (tmp_path / "sets/real/elsewhere").symlink_to(tmp_path / "disk")
    (tmp_path / "sets/real/up").symlink_to("..")
    (tmp_path / "disk/back").symlink_to(tmp_path / "disk")
    assert sorted(clips_of("custom", tmp_path / "sets")) == ["fake/c", "real/a", "real/elsewhere/more/b"]


def test_masks_are_found_in_either_case_and_behind_links(ffpp: Path):
    masks = ffpp / "manipulated_sequences/Deepfakes/masks"
    (masks / "videos").rename(ffpp / "elsewhere")
    (masks / "videos").symlink_to(ffpp / "elsewhere")
    masks.rename(masks.with_name("Masks"))
    clip = clips_of("FaceForensics++", ffpp)["manipulated_sequences/Deepfakes/c23/videos/000_003"]
    assert clip.mask == masks.with_name("Masks") / "videos/000_003.mp4"


def test_folders_take_videos_frames_and_stills(tmp_path: Path):
    tree(tmp_path, "real/clip.MP4", "real/walk/2.png", "real/walk/10.png", "fake/a.jpg", "fake/b.jpg")
    (tmp_path / "fake/notes.txt").write_text("not media")
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
    tree(ffpp, "original_sequences/youtube/c23/frames/000/000.png", "original_sequences/youtube/c23/frames/000/012.png")
    tree(ffpp, "original_sequences/youtube/c23/frames/003/000.png")
    after = list_clips(load_config(DatasetConfig, "FaceForensics++"), ffpp)
    assert [clip.name for clip in after if clip not in before] == ["original_sequences/youtube/c23/frames/003"]


def test_files_that_differ_only_in_suffix_stay_two_clips(tmp_path: Path):
    tree(tmp_path, "real/a.mp4", "real/a.avi", "fake/a.jpg", "fake/a.png")
    clips = list_clips(load_config(DatasetConfig, "custom"), tmp_path)
    assert sorted(clip.name for clip in clips) == ["fake/a.jpg", "fake/a.png", "real/a.avi", "real/a.mp4"]
    assert len({clip.store_folder for clip in clips}) == 4


def test_folders_below_splits(tmp_path: Path):
    tree(tmp_path, "train/real/a.mp4", "val/fake/a.mp4", "test/real/a.mp4")
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
    with pytest.raises(InputError, match="expected to have real, fake there"):
        list_clips(config, tmp_path)


@pytest.mark.parametrize("name", config_names(DatasetConfig))
def test_every_shipped_data_set_names_a_known_layout(name: str):
    config = load_config(DatasetConfig, name)
    assert config.name == name
    assert config.layout in LAYOUT


def test_ffpp_lists_what_its_split_files_name_and_the_disk_lacks(ffpp: Path):
    absent = [clip for clip in clips_of("FaceForensics++", ffpp, absent=True).values() if clip.skip == ABSENT]
    lacking = {(clip.class_name, clip.compression, clip.name.split("/")[-1]): clip.split for clip in absent}
    assert lacking["FF-real", "c23", "021"] == "test"
    assert lacking["FF-DF", "c23", "003_000"] == "train"
    assert ("FF-DF", "c23", "000_003") not in lacking
    assert not [key for key in lacking if key[0] == "FF-NT"]  # a manipulation that is not there at all


def test_faceshifter_is_used_where_it_is_and_not_missed_where_it_is_not(ffpp: Path):
    assert not [clip for clip in clips_of("FaceForensics++", ffpp).values() if clip.class_name == "FF-FH"]
    tree(ffpp, "manipulated_sequences/FaceShifter/c23/videos/000_003.mp4")
    fakes = [clip for clip in clips_of("FaceForensics++", ffpp).values() if clip.class_name == "FF-FH"]
    assert [(clip.split, clip.method, clip.mask) for clip in fakes] == [("train", "FaceShifter", None)]


def test_an_id_in_two_split_files_is_refused(ffpp: Path):
    ffpp_splits(ffpp, ["000_003"], [], ["003_021"])
    with pytest.raises(InputError, match=r"test\.json: id 003 is in train\.json too"):
        clips_of("FaceForensics++", ffpp)


def test_dfd_has_masks_scenes_and_no_split(tmp_path: Path):
    tree(
        tmp_path,
        "original_sequences/actors/raw/videos/01__exit_phone_room.mp4",
        "manipulated_sequences/DeepFakeDetection/raw/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
        "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    )
    real, fake = sorted(clips_of("DeepFakeDetection", tmp_path).values(), key=lambda clip: clip.label)
    assert (real.split, fake.split) == ("test", "test")
    assert (real.identity_target, real.identity_source) == ("01", "")
    assert (fake.identity_target, fake.identity_source) == ("01", "02")
    assert fake.mask is not None
    assert real.mask is None


def test_a_wrong_root_names_the_folder_that_looks_right(tmp_path: Path):
    ffpp_splits(tmp_path / "sets" / "FF", ["000_003"])
    tree(tmp_path / "sets" / "FF", "original_sequences/youtube/c23/videos/000.mp4")
    with pytest.raises(InputError, match=f"{tmp_path / 'sets' / 'FF'} looks right"):
        clips_of("FaceForensics++", tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path / 'sets' / 'FF'} looks right"):
        clips_of("FaceForensics++", tmp_path / "sets" / "FF" / "original_sequences" / "youtube")
    with pytest.raises(InputError, match=r"does not look like UADFV, which is expected to have real, fake there$"):
        clips_of("UADFV", tmp_path)


def test_celebdf_lists_test_videos_that_are_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tree(tmp_path, "Celeb-real/id0_0000.mp4", "Celeb-synthesis/id0_id1_0000.mp4")
    (tmp_path / "List_of_testing_videos.txt").write_text(
        "1 YouTube-real/00170.mp4\n0 Celeb-synthesis/id0_id1_0000.mp4\n"
    )
    clips = clips_of("Celeb-DF-v1", tmp_path, absent=True)
    assert (clips["YouTube-real/00170"].skip, clips["YouTube-real/00170"].class_name) == (ABSENT, "CelebDFv1_real")
    assert sorted(clips_of("Celeb-DF-v1", tmp_path)) == ["Celeb-real/id0_0000", "Celeb-synthesis/id0_id1_0000"]
    assert "1 listed files are not there, such as YouTube-real/00170" in caplog.text


def test_folders_are_found_in_either_case_and_empty_ones_are_skips(tmp_path: Path):
    tree(tmp_path, "Real/a.mp4", "FAKE/b/000.png", "FAKE/c/")
    clips = clips_of("UADFV", tmp_path)
    assert {name: clip.skip for name, clip in clips.items()} == {"Real/a": "", "FAKE/b": "", "FAKE/c": EMPTY}


def test_ffiw_tests_on_the_val_folder_and_has_masks(tmp_path: Path):
    tree(
        tmp_path,
        "source/train/00000.mp4",
        "source/val/videos/00000.mp4",
        "target/val/videos/00000.mp4",
        "target_mask/val/00000.mp4",
    )
    clips = clips_of("FFIW", tmp_path)
    assert {name: (clip.label, clip.split) for name, clip in clips.items()} == {
        "source/train/00000": (0, "train"),
        "source/val/videos/00000": (0, "test"),
        "target/val/videos/00000": (1, "test"),
    }
    assert clips["target/val/videos/00000"].mask == tmp_path / "target_mask/val/00000.mp4"


@pytest.mark.parametrize("between", ["_", " "])
def test_wilddeepfake_takes_each_sequence_as_a_video(tmp_path: Path, between: str):
    tree(tmp_path, f"real{between}test/1/real/0/10.png", f"real{between}test/1/real/1/4.png")
    tree(tmp_path, f"fake{between}train/7/fake/0/2.png", f"fake{between}train/7/fake/0/11.png")
    clips = list(clips_of("WildDeepfake", tmp_path).values())
    assert sorted((clip.label, clip.split, clip.media, len(clip.files)) for clip in clips) == [
        (0, "test", "video", 1),
        (0, "test", "video", 1),
        (1, "train", "video", 2),
    ]


def test_diffswap_takes_stills_and_frames(tmp_path: Path):
    tree(tmp_path, "DiffSwap/1.png", "DiffSwap/2.png", "MM-CelebA-HQ/7.jpg")
    clips = clips_of("DiffSwap", tmp_path)
    assert {name: (clip.label, clip.media, clip.split) for name, clip in clips.items()} == {
        "DiffSwap/1": (1, "image", "test"),
        "DiffSwap/2": (1, "image", "test"),
        "MM-CelebA-HQ/7": (0, "image", "test"),
    }


def test_part_names_are_unique_among_all_data_sets():
    names = config_names(DatasetConfig)
    owners: dict[str, list[str]] = {}
    for name in names:
        for part in load_config(DatasetConfig, name).parts:
            owners.setdefault(part, []).append(name)
    assert not {part: by for part, by in owners.items() if len(by) > 1 or (part in names and part != by[0])}
    assert {"FF-DF", "FaceShifter", "FSAll_ff", "simswap_cdf", "CollabDiff", "DiFF-T2I"} <= owners.keys()


def test_what_systems_leave_behind_is_no_media(tmp_path: Path):
    tree(tmp_path, "real/a.mp4", "real/.cache/b.mp4", "fake/c/")
    (tmp_path / "real/._a.mp4").write_bytes(b"resource fork")
    (tmp_path / "fake/c/.DS_Store").write_bytes(b"x")
    clips = clips_of("UADFV", tmp_path)
    assert {name: clip.skip for name, clip in clips.items()} == {"real/a": "", "fake/c": EMPTY}
