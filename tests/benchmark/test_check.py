"""`assay data check` on small trees of real files: what it says, in words, as JSON and by its exit code."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.media import write_video
from tests.preprocessing.layouts.trees import ffpp_splits


def noise(path: Path, seed: int, quality: int = 90) -> Path:
    """A JPEG of its own content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


@pytest.fixture
def stills(tmp_path: Path) -> Path:
    """Twelve reals and fakes in train and in test that nothing but their pixels tells apart."""
    for number in range(48):
        split, kind = ("train", "test")[number % 2], ("real", "fake")[number // 2 % 2]
        noise(tmp_path / split / kind / f"{split}{number:02}.jpg", number, quality=80 + number // 4)
    return tmp_path


def severities(found: dict) -> dict[str, str]:
    return {each["check"]: each["severity"] for each in found["findings"]}


def test_a_sound_set_is_valid(assay, stills: Path):
    code, out, err = assay("data", "check", "custom", "--root", stills, "--json", "--workers", 1)
    found = json.loads(out)
    assert code == 0
    assert "check custom: 48 of 48" in err
    assert found["valid"]
    assert (found["media"], found["files"]) == (48, 48)
    assert severities(found) == {"counts": "info"}
    counts = {(each["name"], each["split"]): each["found"] for each in found["classes"]}
    assert counts == {(f"custom_{kind}", split): 12 for kind in ("real", "fake") for split in ("train", "test")}
    qualities = next(each for each in found["separations"] if each["property"] == "JPEG quality")
    assert (qualities["real"], qualities["fake"]) == (85.5, 85.5)


def test_one_split_can_be_checked_by_itself(assay, stills: Path):
    shutil.copy(stills / "train" / "real" / "train00.jpg", stills / "test" / "real" / "other.jpg")
    code, out, _ = assay("data", "check", "custom", "--root", stills, "--split", "train")
    assert code == 0
    assert "24 media in 24 files, nothing speaks against a reproduction" in out
    code, _, err = assay("data", "check", "custom", "--root", stills, "--split", "val")
    assert code == 2
    assert "is in split 'val'" in err
    assert "did you mean 'train'" in assay("data", "check", "custom", "--root", stills, "--split", "trian").err


def test_a_leak_is_told_and_ends_with_1(assay, stills: Path):
    shutil.copy(stills / "train" / "real" / "train00.jpg", stills / "test" / "real" / "other.jpg")
    code, out, _ = assay("data", "check", "custom", "--root", stills)
    assert code == 1
    assert "invalid  groups of media with the same content in different splits: 1" in out
    assert "test/real/other, train/real/train00" in out
    assert "49 media in 49 files, not valid for a reproduction" in out


def test_files_that_are_encoded_differently_are_a_warning(assay, stills: Path):
    for number, path in enumerate(sorted(stills.glob("*/fake/*.jpg"))):
        noise(path, 100 + number, quality=30)
    code, out, _ = assay("data", "check", "custom", "--root", stills)
    assert code == 0
    assert "JPEG quality: real 85.5, all fakes 30; balanced accuracy 1.00" in out
    assert "nothing speaks against a reproduction" in out


def test_quick_opens_nothing(assay, stills: Path):
    shutil.copy(stills / "train" / "real" / "train00.jpg", stills / "test" / "real" / "other.jpg")
    (stills / "test" / "real" / "broken.jpg").write_bytes(b"no image")
    code, out, _ = assay("data", "check", "custom", "--root", stills, "--quick", "--json")
    assert code == 0
    assert {each["property"] for each in json.loads(out)["separations"]} == {"suffix"}
    code, out, _ = assay("data", "check", "custom", "--root", stills, "--json")
    assert code == 1
    assert severities(json.loads(out)) == {"unreadable": "invalid", "copies": "invalid", "counts": "info"}


def test_long_lists_are_cut_in_the_terminal_and_whole_in_json(assay, stills: Path):
    for path in sorted(stills.glob("test/fake/*.jpg"))[:7]:
        path.write_bytes(b"")
    _, out, _ = assay("data", "check", "custom", "--root", stills)
    assert out.count("(empty file)") == 5
    _, out, _ = assay("data", "check", "custom", "--root", stills, "--json")
    assert out.count("(empty file)") == 7


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """FaceForensics++ with one pair in train and one in test, Deepfakes alone, and one fake not there."""
    ffpp_splits(tmp_path, train=["000_001"], val=["010_011"], test=["020_021"])
    reals = ["000", "001", "010", "011", "020", "021"]
    for number, name in enumerate(reals):
        write_video(tmp_path / f"original_sequences/youtube/c23/videos/{name}.mp4", [number, 100, 200])
    fakes = ["000_001", "001_000", "010_011", "011_010", "020_021"]
    for number, name in enumerate(fakes):
        write_video(tmp_path / f"manipulated_sequences/Deepfakes/c23/videos/{name}.mp4", [50 + number, 100, 200])
    return tmp_path


def test_a_part_is_compared_with_what_is_expected_of_it(assay, videos: Path):
    code, out, _ = assay("data", "check", "FF-DF", "--root", videos, "--json")
    found = json.loads(out)
    assert code == 1
    by_check = {each["check"]: each for each in found["findings"]}
    assert by_check["absent"]["examples"] == ["manipulated_sequences/Deepfakes/c23/021_020"]
    assert "FF-DF c23 test: 1 of 140" in by_check["counts"]["examples"]
    assert {each["name"] for each in found["classes"]} == {"FF-real", "FF-DF"}
    assert "identities" not in by_check


def test_a_video_listed_in_two_splits_is_invalid(assay, videos: Path):
    path = "original_sequences/youtube/c23/videos/000.mp4"
    listing = videos / "mine.csv"
    listing.write_text(f"path,label,split\n{path},real,train\n{path},real,test\n")
    code, out, _ = assay("data", "check", listing, "--root", videos)
    assert code == 1
    assert "media that are in more than one split: 1" in out
    assert f"{path} (test, train)" in out


def test_a_part_needs_a_class_that_the_whole_set_may_lack(assay, videos: Path):
    _, out, _ = assay("data", "check", "FaceShifter", "--root", videos, "--json", "--quick")
    (counts,) = [each for each in json.loads(out)["findings"] if each["check"] == "counts"]
    assert counts["severity"] == "invalid"
    assert "FF-FH c23 test: 0 of 140" in counts["examples"]


def test_a_wrong_root_ends_with_2(assay, tmp_path: Path):
    code, _, err = assay("data", "check", "custom", "--root", tmp_path)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
