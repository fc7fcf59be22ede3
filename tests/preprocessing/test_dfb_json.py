"""DeepfakeBench's JSON: nesting on the way out, slashes and prefixes on the way in."""

import json
from pathlib import Path

import pytest

from config.errors import InputError
from preprocessing.dfb_json import read_dfb_json, rows_frame, to_dfb_json
from tests.preprocessing.test_manifest import row

LABELS = {"FF-real": 0, "FF-DF": 1, "CelebDFv2_real": 0}


def rows():
    real = "FaceForensics++/original_sequences/youtube/c23/frames/000"
    fake = "FaceForensics++/manipulated_sequences/Deepfakes/c23/frames/000_003"
    common = {"dataset": "FaceForensics++", "split": "train"}
    return rows_frame_of(
        row("r", 0, class_name="FF-real", key=f"{real}/000.png", **common),
        row("r", 12, class_name="FF-real", key=f"{real}/012.png", **common),
        row("f", 0, class_name="FF-DF", label=1, key=f"{fake}/000.png", **common),
        row("f", 1, "no face", class_name="FF-DF", label=1, **common),
    )


def rows_frame_of(*entries):
    import pandas as pd

    return pd.DataFrame(entries)


def test_the_nesting_is_deepfakebenchs():
    fake = "FaceForensics++/manipulated_sequences/Deepfakes/c23"
    real = "FaceForensics++/original_sequences/youtube/c23/frames/000"
    assert to_dfb_json(rows()) == {
        "FaceForensics++": {
            "FF-real": {
                "train": {"c23": {"000": {"label": "FF-real", "frames": [f"{real}/000.png", f"{real}/012.png"]}}}
            },
            "FF-DF": {
                "train": {
                    "c23": {
                        "000_003": {
                            "label": "FF-DF",
                            "frames": [f"{fake}/frames/000_003/000.png"],
                            "masks": [f"{fake}/masks/000_003/000.png"],
                        }
                    }
                }
            },
        }
    }


def test_a_round_trip_keeps_what_the_json_can_say(tmp_path: Path):
    path = tmp_path / "FaceForensics++.json"
    path.write_text(json.dumps(to_dfb_json(rows())))
    back = rows_frame(read_dfb_json(path, LABELS, "FaceForensics++_lmdb"))
    stored = rows()[lambda frame: frame["skip"] == ""]
    columns = ["dataset", "split", "label", "class_name", "compression", "frame", "face", "key"]
    assert back[columns].values.tolist() == stored[columns].values.tolist()
    assert to_dfb_json(back) == to_dfb_json(rows())


@pytest.mark.parametrize("prefix", ["", ".\\datasets\\rgb\\", "D:\\data\\"])
def test_windows_paths_without_compression_level(tmp_path: Path, prefix: str):
    frame = f"{prefix}Celeb-DF-v2\\Celeb-real\\frames\\id0_0000\\012.png"
    path = tmp_path / "Celeb-DF-v2.json"
    video = {"label": "CelebDFv2_real", "frames": [frame]}
    path.write_text(json.dumps({"Celeb-DF-v2": {"CelebDFv2_real": {"test": {"id0_0000": video}}}}))
    (only,) = read_dfb_json(path, LABELS, "x")
    assert only.key == "Celeb-DF-v2/Celeb-real/frames/id0_0000/012.png"
    assert (only.frame, only.label, only.compression, only.split) == (12, 0, "", "test")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense", "not JSON"),
        ("{}", "one top-level key"),
        ('{"D": [1]}', "not nested"),
        (
            '{"D": {"FF-XX": {"train": {"v": {"label": "FF-XX", "frames": ["D/frames/v/0.png"]}}}}}',
            "'FF-XX' is in no label",
        ),
        ('{"D": {"FF-DF": {"train": {"v": {"label": "FF-DF", "frames": ["D/../../x/0.png"]}}}}}', "leaves its root"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path: Path, content: str, message: str):
    path = tmp_path / "D.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_dfb_json(path, LABELS, "x")
