"""DeepfakeBench's JSON: nesting and spelling on the way out, what is refused on the way in."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest

from config.errors import InputError
from preprocessing.dfb_json import ListedVideo, read_dfb_json, selections, to_dfb_json
from tests.dfb import ffpp_rows
from tests.preprocessing.test_manifest import row


def faces(*levels: str) -> pd.DataFrame:
    rows = pd.DataFrame([asdict(row) for level in levels or ("c23",) for row in ffpp_rows(level)])
    return rows[rows["skip"] == ""]


def plain(*entries: dict) -> pd.DataFrame:
    return pd.DataFrame(entries)


def test_the_nesting_is_deepfakebenchs():
    rows = faces()
    rows = rows[(rows["split"] == "train") & (rows["class_name"] != "FF-NT")]
    fake = "FaceForensics++\\manipulated_sequences\\Deepfakes\\c23"
    real = "FaceForensics++\\original_sequences\\youtube\\c23\\frames\\000"
    assert to_dfb_json("FaceForensics++", rows) == {
        "FaceForensics++": {
            "FF-real": {
                "train": {"c23": {"000": {"label": "FF-real", "frames": [f"{real}\\000.png", f"{real}\\012.png"]}}}
            },
            "FF-DF": {
                "train": {
                    "c23": {
                        "000_009": {
                            "label": "FF-DF",
                            "frames": [f"{fake}\\frames\\000_009\\000.png", f"{fake}\\frames\\000_009\\012.png"],
                            "masks": [f"{fake}\\masks\\000_009\\000.png", f"{fake}\\masks\\000_009\\012.png"],
                        }
                    }
                }
            },
        }
    }


def test_sets_without_an_official_split_are_in_every_split():
    real = plain(
        row("v/01__exit", 0, class_name="DFD_real", label=0, compression="raw", key="F/frames/01__exit/000.png")
    )
    nested = to_dfb_json("DeepFakeDetection", real, "/")["DeepFakeDetection"]["DFD_real"]
    assert list(nested) == ["train", "val", "test"]
    assert (
        nested["train"]
        == nested["val"]
        == nested["test"]
        == {"raw": {"01__exit": {"label": "DFD_real", "frames": ["F/frames/01__exit/000.png"]}}}
    )
    assert list(to_dfb_json("Other", real.assign(compression=""), "/")["Other"]["DFD_real"]) == ["test"]


def test_levels_and_masks_are_for_the_sets_of_ffpp_alone():
    key = "Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_0000/012.png"
    rows = plain(row("v/id0_id1_0000", 12, class_name="CelebDFv2_fake", label=1, compression="", key=key))
    assert to_dfb_json("Celeb-DF-v2", rows, "/", "./datasets/rgb/") == {
        "Celeb-DF-v2": {
            "CelebDFv2_fake": {
                "test": {"id0_id1_0000": {"label": "CelebDFv2_fake", "frames": [f"./datasets/rgb/{key}"]}}
            }
        }
    }
    shifted = plain(row("v/000_003", 0, class_name="FF-FH", label=1, key="F/frames/000_003/000.png"))
    assert "masks" not in to_dfb_json("FaceShifter", shifted)["FaceShifter"]["FF-FH"]["test"]["c23"]["000_003"]


def test_several_levels_stand_beside_each_other_or_are_refused():
    document = to_dfb_json("FaceForensics++", faces("c23", "c40"))
    assert set(document["FaceForensics++"]["FF-real"]["val"]) == {"c23", "c40"}
    with pytest.raises(InputError, match=r"DemoFF has several compression levels \(c23, c40\).*--compression"):
        to_dfb_json("DemoFF", faces("c23", "c40"))
    with pytest.raises(InputError, match="without a compression level"):
        to_dfb_json("FF-DF", faces("c23").assign(compression=""))


def test_faceforensics_also_makes_the_sets_of_one_manipulation_with_the_reals_repeated():
    made = selections("FaceForensics++", faces())
    assert {name: sorted(rows["class_name"].unique()) for name, rows in made.items()} == {
        "FaceForensics++": ["FF-DF", "FF-NT", "FF-real"],
        "FF-DF": ["FF-DF", "FF-real"],
        "FF-NT": ["FF-NT", "FF-real"],
    }
    assert list(selections("Celeb-DF-v2", faces())) == ["Celeb-DF-v2"]


def test_videos_that_share_a_name_are_told_apart():
    rows = plain(*(row(f"{folder}/v", 0, key=f"D/{folder}/frames/v/000.png") for folder in "ab"))
    videos = to_dfb_json("D", rows)["D"]["real"]["test"]
    assert {video["frames"][0] for video in videos.values()} == {"D\\a\\frames\\v\\000.png", "D\\b\\frames\\v\\000.png"}


def written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "D.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_both_nestings_are_read(tmp_path: Path):
    video = {"label": "FF-DF", "frames": ["D\\frames\\v\\0.png"], "masks": []}
    expected = ListedVideo("FF-DF", "FF-DF", "train", "", "v", ("D\\frames\\v\\0.png",))
    plain_document = {"D": {"FF-DF": {"train": {"v": video}, "test": {}}}}
    assert read_dfb_json(written(tmp_path, plain_document)) == ("D", [expected])
    levels = {"D": {"FF-DF": {"train": {"c23": {"v": video}, "c40": {}}, "test": {}}}}
    name, videos = read_dfb_json(written(tmp_path, levels))
    assert (name, [(video.compression, video.name) for video in videos]) == ("D", [("c23", "v")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("{}", "one top-level key"),
        ('{"../D": {}}', "cannot be a data set's name"),
        ('{"a\\\\D": {}}', "cannot be a data set's name"),
        ('{"": {}}', "cannot be a data set's name"),
        ('{"D": [1]}', "not nested"),
        ('{"D": {"FF-DF": {"train": {"v": {"label": "FF-DF"}}}}}', "not nested"),
        ('{"D": {"FF-DF": {"train": {"v": {"label": 1, "frames": ["a"]}}}}}', "not nested"),
        ('{"D": {"FF-DF": {"train": {"v": {"label": "FF-DF", "frames": [1]}}}}}', "not nested"),
        ('{"D": {"FF-DF": {"tests": {"v": {"label": "FF-DF", "frames": ["a"]}}}}}', "'tests' stands where a split"),
        ('{"D": {"FF-DF": {"test": {"\\ud800": {"label": "FF-DF", "frames": ["a"]}}}}}', "not JSON"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path: Path, content: str, message: str):
    with pytest.raises(InputError, match=message):
        read_dfb_json(written(tmp_path, content))
