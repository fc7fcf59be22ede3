"""A JSON's videos as rows: where frames are found, how they are numbered, and what happens to doubles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import InputError
from preprocessing.dfb_json import ListedVideo
from preprocessing.dfb_labels import Labels
from preprocessing.dfb_rows import Finder, Listing, list_rows

LABELS = Labels()


def video(name: str, *frames: str, split: str = "test", class_name: str = "CelebDFv2_real", level: str = ""):
    return ListedVideo(class_name, class_name, split, level, name, frames)


def listed(*videos: ListedVideo, there=lambda path: True, name: str = "Celeb-DF-v2", levels=()) -> Listing:
    return list_rows(name, videos, LABELS, Finder(there), levels)


def rows_of(listing: Listing):
    return [row for rows in listing.videos for row in rows]


FRAME = "Celeb-DF-v2/Celeb-real/frames/id0_0000/012.png"


@given(
    folders=st.lists(st.sampled_from(["x", "datasets", "rgb", "deepfakes_detection_datasets", "."]), max_size=3),
    drive=st.sampled_from(["", "D:\\", "/", "./", ".\\"]),
    data=st.data(),
)
def test_any_prefix_and_any_slashes_lead_to_the_same_row(folders, drive, data):
    parts = [*folders, *FRAME.split("/")]
    slashes = data.draw(st.lists(st.sampled_from("/\\"), min_size=len(parts), max_size=len(parts)))
    path = drive + "".join(part + slash for part, slash in zip(parts, slashes, strict=True))[:-1]
    (only,) = rows_of(listed(video("id0_0000", path), there={FRAME}.__contains__))
    (plain,) = rows_of(listed(video("id0_0000", FRAME)))
    assert only == plain
    assert (only.key, only.frame, only.label, only.split, only.compression) == (FRAME, 12, 0, "test", "")
    assert only.video_id == "Celeb-DF-v2/CelebDFv2_real/Celeb-real/frames/id0_0000"


@pytest.mark.parametrize(("name", "folder"), [("FF-DF", "Deepfakes"), ("FaceShifter", "FaceShifter")])
@pytest.mark.parametrize("prefix", ["", ".\\datasets\\", "D:\\x\\datasets\\", "/mnt/rgb/"])
def test_a_set_of_faceforensics_tree_has_the_same_ids_below_any_prefix(name: str, folder: str, prefix: str):
    frame = f"FaceForensics++/manipulated_sequences/{folder}/c23/frames/000_003/0.png"
    listing = listed(
        video("000_003", prefix + frame, class_name="FF-DF", level="c23"), there={frame}.__contains__, name=name
    )
    (only,) = rows_of(listing)
    assert only.source_path == f"manipulated_sequences/{folder}/c23/frames/000_003"
    assert only.video_id == f"{name}/FF-DF/c23/{only.source_path}"


def test_a_data_set_of_two_trees_is_found_below_different_prefixes():
    finder = Finder({"DF40/simswap/frames/v/0.png", "FaceForensics++/frames/v/0.png"}.__contains__)
    assert finder.find(["d", "DF40", "simswap", "frames", "v", "0.png"]).key == "DF40/simswap/frames/v/0.png"
    assert finder.find(["d", "e", "FaceForensics++", "frames", "v", "0.png"]).key == "FaceForensics++/frames/v/0.png"
    assert finder.dropped == {"d", "d/e"}
    assert finder.find(["elsewhere", "0.png"]) is None


def test_the_longest_end_of_a_path_is_taken():
    assert Finder({"a/b.png", "b.png"}.__contains__).find(["x", "a", "b.png"]).path == "a/b.png"


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["0.png", "12.png", "100.png"], [0, 12, 100]),
        (["012.png", "000.png"], [12, 0]),
        (["7", "8"], [7, 8]),
        (["a prompt.png", "3.png"], [0, 1]),
        (["0.png", "000.png"], [0, 1]),
        (["9999999999.png", "1.png"], [0, 1]),
        (["²0.png", "1_2.png"], [0, 1]),
        (["5.png", "5.png", "6.png"], [5, 6]),
    ],
)
def test_frames_are_numbered_by_their_files_or_by_their_order(names, numbers):
    listing = listed(video("v", *(f"Celeb-DF-v2/frames/v/{name}" for name in names)))
    assert [row.frame for row in rows_of(listing)] == numbers


def test_frames_that_are_not_there_are_rows_with_a_reason():
    frames = [f"Celeb-DF-v2\\frames\\v\\{number}.png" for number in range(3)]
    listing = listed(video("v", *frames), video("w"), there=lambda path: not path.endswith("1.png"))
    assert [(row.frame, row.face, row.skip) for row in rows_of(listing)] == [
        (0, 0, ""),
        (1, -1, "listed but not there"),
        (2, 0, ""),
        (-1, -1, "no frames listed"),
    ]
    assert listing.missing == [frames[1]]


def test_a_frame_that_is_listed_again_is_kept_once():
    same = video("v", FRAME, FRAME), video("again", FRAME), video("v", FRAME, class_name="roop_Real")
    listing = listed(*same)
    assert len(rows_of(listing)) == 1
    assert listing.repeated == [FRAME] * 3


def test_a_frame_that_is_real_and_fake_is_refused():
    with pytest.raises(InputError, match="is listed as real and as fake"):
        listed(video("v", FRAME), video("v", FRAME, class_name="CelebDFv2_fake"))


def test_a_video_that_is_real_and_fake_is_refused_whichever_frames_are_listed():
    other = FRAME.replace("012", "015")
    for there in (lambda path: True, lambda path: False):
        with pytest.raises(InputError, match="id0_0000 is listed as real and as fake"):
            listed(video("id0_0000", FRAME), video("id0_0000", other, class_name="CelebDFv2_fake"), there=there)
    folder = [video(name, f"X/{name}.png", class_name=f"CelebDFv2_{name}") for name in ("real", "fake")]
    assert [row.label for row in rows_of(listed(*folder))] == [0, 1], "images of one folder are videos of their own"
    assert len(rows_of(listed(video("v"), video("v", class_name="CelebDFv2_fake")))) == 2
    trees = [video("v", f"{name}/X/frames/v/0.png", class_name=f"CelebDFv2_{name}") for name in ("real", "fake")]
    assert len(rows_of(listed(*trees, name="X"))) == 2


def test_a_label_against_its_class_is_refused():
    against = ListedVideo("CelebDFv2_real", "CelebDFv2_fake", "test", "", "v", (FRAME,))
    with pytest.raises(
        InputError, match="v has the label CelebDFv2_fake below CelebDFv2_real; one is real, one is fake"
    ):
        listed(against)
    (only,) = rows_of(listed(ListedVideo("a class of one's own", "CelebDFv2_fake", "test", "", "v", (FRAME,))))
    assert (only.class_name, only.label) == ("a class of one's own", 1)


def test_of_a_video_in_several_splits_the_test_sets_copy_stays():
    frames = [f"UADFV/fake/frames/v/{number}.png" for number in range(2)]
    videos = [video("v", *frames, split=split, class_name="UADFV_Fake") for split in ("train", "val", "test")]
    videos.append(video("w", "UADFV/fake/frames/w/0.png", split="train", class_name="UADFV_Fake"))
    listing = listed(*videos, name="UADFV")
    assert [(row.split, row.key) for row in rows_of(listing)] == [
        ("test", frames[0]),
        ("test", frames[1]),
        ("train", "UADFV/fake/frames/w/0.png"),
    ]
    assert dict(listing.copies) == {"train": 1, "val": 1}


def test_a_level_is_the_jsons_or_a_folders_of_a_set_that_has_levels():
    frame = "DemoFF/original_sequences/demo/c23/frames/v/0.png"
    assert rows_of(listed(video("v", frame), name="DemoFF", levels=("raw", "c23")))[0].compression == "c23"
    assert rows_of(listed(video("v", frame), name="DemoFF"))[0].compression == ""
    assert rows_of(listed(video("v", frame, level="c40"), levels=("c23",)))[0].compression == "c40"


def test_videos_of_one_folder_are_told_apart_by_their_names():
    listing = listed(*(video(name, f"MidJourney/fake/{name}.png") for name in "ab"), name="MidJourney")
    ids = [row.video_id for row in rows_of(listing)]
    assert ids == ["MidJourney/CelebDFv2_real/fake/a", "MidJourney/CelebDFv2_real/fake/b"]


@pytest.mark.parametrize(
    ("path", "message"),
    [("D/../../x/0.png", "leaves its root"), ("..\\x.png", "leaves its root"), ("", "path of a frame is expected")],
)
def test_paths_that_are_none_or_leave_their_root_are_refused(path: str, message: str):
    with pytest.raises(InputError, match=message):
        listed(video("v", path))
