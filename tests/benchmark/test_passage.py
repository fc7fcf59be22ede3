"""`assay data export` and `import`: round trips, DeepfakeBench's own reading of them, and what is refused."""

import json
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pandas as pd
import pytest

from config.load import load_config
from config.schema import DetectorConfig
from detectors import build_detector
from detectors.weights import save_weights
from evaluation.scores import read_scores
from preprocessing.dfb_labels import LABELS
from preprocessing.manifest import manifest_meta, read_manifest, write_manifest
from preprocessing.pipeline import manifest_path
from preprocessing.rows import load_rows
from preprocessing.samples import FaceSet, Sample, open_faces
from tests.dfb import SIDE, load_as_deepfakebench, png, write_ffpp

NAME = "FaceForensics++"
SAME = ["split", "label", "class_name", "method", "compression", "frame", "face", "key"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_ffpp(data)
    return data


@pytest.fixture
def exported(assay, data: Path, tmp_path: Path) -> Path:
    answer = assay("data", "export", NAME, "--data", data, "--out", tmp_path / "dfb", "--dfb")
    assert answer.code == 0, answer.err
    return tmp_path / "dfb"


def faces_of(data: Path, name: str = NAME, split: str = "test") -> FaceSet:
    rows = load_rows(data, name, split)
    stored = rows[rows["skip"] == ""].sort_values("key")
    return FaceSet(stored, with_landmark=True, with_mask=True)


def stored(data: Path, name: str = NAME) -> list:
    rows = read_manifest(manifest_path(data, "dfb", name))
    return rows[rows["skip"] == ""].sort_values("key")[SAME].values.tolist()


def assert_same(one: Sample, two: Sample) -> None:
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.landmark, two.landmark)
    np.testing.assert_array_equal(one.mask, two.mask)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_deepfakebenchs_loader_reads_what_is_stored_here(data: Path, exported: Path, split: str):
    assert sorted(path.name for path in exported.iterdir()) == [
        "FF-DF.json",
        "FF-NT.json",
        "FaceForensics++.json",
        "FaceForensics++_lmdb",
    ]
    theirs = list(load_as_deepfakebench(exported, NAME, split, dict(LABELS)))
    ours = faces_of(data, split=split)
    assert len(theirs) == len(ours) == 6
    for index, row in enumerate(ours.rows.to_dict("records")):
        own = ours.read(index)
        (twin,) = [sample for sample in theirs if np.array_equal(sample.image[:, :, ::-1], own.image)]
        assert (twin.video, twin.frame, twin.label) == (row["key"].split("/")[-2], row["frame"], row["label"])
        np.testing.assert_array_equal(twin.landmark.view(np.int32), own.landmark)
        np.testing.assert_array_equal(np.zeros_like(own.mask) if twin.mask is None else twin.mask, own.mask)
        assert (twin.mask is None) == (row["label"] == 0)


def test_the_sets_of_one_manipulation_repeat_the_reals_and_share_the_lmdb(exported: Path):
    whole = {(sample.video, sample.frame) for sample in load_as_deepfakebench(exported, NAME, "test", dict(LABELS))}
    part = [sample.label for sample in load_as_deepfakebench(exported, "FF-NT", "test", dict(LABELS))]
    assert sorted(part) == [0, 0, 1, 1]
    assert len(whole) == 4, "two manipulations have videos of the same name"


def test_there_and_back_again(assay, data: Path, exported: Path, tmp_path: Path):
    back = tmp_path / "back"
    imported = assay("data", "import", exported / f"{NAME}.json", "--lmdb", exported / f"{NAME}_lmdb", "--data", back)
    assert imported.code == 0, imported.err
    assert "test 6 faces of 3 videos, train 6 faces of 3 videos, val 6 faces of 3 videos" in imported.out
    assert stored(back) == stored(data)
    for split in ("train", "val", "test"):
        ours, theirs = faces_of(data, split=split), faces_of(back, split=split)
        for index in range(len(ours)):
            assert_same(ours.read(index), theirs.read(index))
    meta = manifest_meta(manifest_path(back, "dfb", NAME))
    assert (meta["predictor"], meta["imported"]) == ("a predictor", f"{NAME}.json")
    assert assay("data", "export", NAME, "--data", back, "--out", tmp_path / "again", "--dfb").code == 0
    part = assay("data", "export", "FF-NT", "--data", back, "--out", tmp_path / "part")
    assert part.code == 0, "a part that this project has a name for is exported as its own"
    assert (tmp_path / "part" / "FF-NT.json").read_text() == (tmp_path / "again" / "FF-NT.json").read_text()
    for path in exported.glob("*.json"):
        assert json.loads(path.read_text()) == json.loads((tmp_path / "again" / path.name).read_text())


def test_what_came_in_is_scored_as_what_was_made_here(assay, data: Path, exported: Path, tmp_path: Path):
    back = tmp_path / "back"
    part = ["data", "import", exported / "FF-DF.json", "--lmdb", exported / f"{NAME}_lmdb", "--data", back]
    assert assay(*part).code == 0
    assert assay("data", "import", exported / f"{NAME}.json", *part[3:]).code == 0
    assert sorted(path.name for path in (back / "dfb").iterdir()) == [
        "FF-DF.parquet",
        "FaceForensics++.parquet",
        "FaceForensics++_lmdb",
    ]
    assert manifest_meta(manifest_path(back, "dfb", "FF-DF"))["parts"] == {}
    weights = tmp_path / "weights.safetensors"
    save_weights(build_detector(load_config(DetectorConfig, "efficientnet_lite0"), pretrained=False), weights, {})
    evaluate = ["evaluate", weights, "--detector", "efficientnet_lite0", "--set", "resolution=64", "--workers", 0]
    evaluate += ["--test", NAME, "--precision", "fp32", "--device", "cpu"]
    assert assay(*evaluate, "--data", data, "--out", tmp_path / "ours").code == 0
    answer = assay(*evaluate, "--test", "FF-DF", "--data", back, "--out", tmp_path / "theirs")
    assert answer.code == 0, answer.err
    columns = ["split", "label", "class_name", "compression", "frame", "score"]
    ours, theirs = (read_scores(tmp_path / which / NAME / "scores.parquet").dropna() for which in ("ours", "theirs"))
    ours, theirs = (scores.reset_index(drop=True) for scores in (ours, theirs))
    pd.testing.assert_frame_equal(ours[columns], theirs[columns])
    of_part = read_scores(tmp_path / "theirs" / "FF-DF" / "scores.parquet")
    assert set(of_part["score"]) == set(ours.loc[ours["class_name"].isin(["FF-real", "FF-DF"]), "score"])


OFFICIAL = {
    "Celeb-DF-v2": {
        "CelebDFv2_real": {
            "train": {"00000": {"label": "CelebDFv2_real", "frames": ["YouTube-real\\frames\\00000\\000.png"]}},
            "test": {"id0_0000": {"label": "CelebDFv2_real", "frames": ["Celeb-real\\frames\\id0_0000\\012.png"]}},
        },
        "CelebDFv2_fake": {
            "test": {
                "id0_id1_0000": {
                    "label": "CelebDFv2_fake",
                    "frames": [f"Celeb-synthesis\\frames\\id0_id1_0000\\{frame}.png" for frame in ("0", "12", "101")],
                }
            }
        },
    }
}


def frames_of(document: dict) -> list[str]:
    classes = next(iter(document.values())).values()
    return [f for splits in classes for videos in splits.values() for video in videos.values() for f in video["frames"]]


def with_prefix(document: dict, prefix: str, slash: str = "\\") -> dict:
    """A document whose paths begin with a prefix, before the data set's folder."""

    def walk(node):
        if isinstance(node, dict):
            return {key: walk(value) for key, value in node.items()}
        return [f"{prefix}{path}".replace("\\", slash) for path in node] if isinstance(node, list) else node

    return walk(document)


def write_lmdb(folder: Path, keys: list[str]) -> Path:
    """An LMDB as DeepfakeBench writes it: no meta, its own spelling of keys."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    with lmdb.open(str(folder)) as env, env.begin(write=True) as txn:
        for key in keys:
            txn.put(key.encode(), png(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)))
    return folder


@pytest.mark.parametrize("prefix", ["", "./datasets\\", "D:\\x\\datasets\\", "/mnt/y/"])
def test_deepfakebenchs_json_comes_back_the_same(assay, tmp_path: Path, prefix: str):
    own = with_prefix(OFFICIAL, "Celeb-DF-v2\\")
    store = write_lmdb(tmp_path / "lmdb" / "Celeb-DF-v2_lmdb", frames_of(own))
    file = tmp_path / "Celeb-DF-v2.json"
    file.write_text(json.dumps(with_prefix(own, prefix)))
    data, out = tmp_path / "data", tmp_path / "out"
    answer = assay("data", "import", file, "--lmdb", store, "--data", data)
    assert answer.code == 0, answer.err
    assert assay("data", "export", "Celeb-DF-v2", "--data", data, "--out", out).code == 0
    assert json.loads((out / "Celeb-DF-v2.json").read_text()) == own
    posix = ["--slashes", "posix", "--prefix", "./datasets/rgb/"]
    assert assay("data", "export", "Celeb-DF-v2", "--data", data, "--out", out, *posix).code == 0
    assert json.loads((out / "Celeb-DF-v2.json").read_text()) == with_prefix(own, "./datasets/rgb/", "/")
    faces = open_faces(data, ["Celeb-DF-v2"], "test")
    assert sorted(faces.rows["frame"]) == [0, 12, 12, 101]
    assert faces.read(0).image.shape == (SIDE, SIDE, 3)


DF40 = "deepfakes_detection_datasets/DF40"


def df40(name: str = "simswap_ff") -> dict:
    """DF40's labels and prefix; reals are listed by several methods, and folders lack the level `frames`."""
    fakes = [f"{DF40}/simswap/ff/frames/000_003/{frame}.png" for frame in range(3)]
    reals = ["deepfakes_detection_datasets/FaceForensics++/original_sequences/youtube/c23/frames/000/7.png"]
    return {
        name: {
            "simswap_Fake": {"test": {"000_003": {"label": "simswap_Fake", "frames": fakes}}},
            "simswap_Real": {"test": {"000": {"label": "simswap_Real", "frames": reals * 2}}},
            "fsgan_Real": {"test": {"000": {"label": "fsgan_Real", "frames": reals}}},
        }
    }


def test_loose_frames_come_in_with_their_landmarks_and_masks(assay, tmp_path: Path):
    document, rng = df40(), np.random.default_rng(2)
    images = {}
    root = tmp_path / "frames"
    for path in {*frames_of(document)}:
        place = root / path.removeprefix("deepfakes_detection_datasets/")
        place.parent.mkdir(parents=True, exist_ok=True)
        images[place] = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        cv2.imwrite(str(place), images[place])
    fake = root / "DF40" / "simswap" / "ff"
    (fake / "frames" / "000_003" / "1.png").write_bytes(b"")
    (fake / "frames" / "000_003" / "2.png").unlink()
    points, mask = rng.integers(0, SIDE, (81, 2)), rng.choice([0, 255], (SIDE, SIDE)).astype(np.uint8)
    for folder in ("landmarks", "masks"):
        (fake / folder / "000_003").mkdir(parents=True)
    np.save(fake / "landmarks" / "000_003" / "0.npy", points)
    cv2.imwrite(str(fake / "masks" / "000_003" / "0.png"), mask)
    file = tmp_path / "simswap_ff.json"
    file.write_text(json.dumps(document))
    answer = assay("data", "import", file, "--root", root, "--data", tmp_path / "data")
    assert answer.code == 0, answer.err
    assert "frames listed again, kept once: 2" in answer.out
    assert f"frames listed but not there: 1, such as {DF40}/simswap/ff/frames/000_003/2.png" in answer.out
    assert "frames that are no image: 1" in answer.out
    rows = load_rows(tmp_path / "data", "simswap_ff", "test")
    assert sorted(zip(rows["class_name"], rows["method"], rows["frame"], rows["skip"], strict=True)) == [
        ("simswap_Fake", "simswap", 0, ""),
        ("simswap_Fake", "simswap", 1, "unreadable frame"),
        ("simswap_Fake", "simswap", 2, "listed but not there"),
        ("simswap_Real", "real", 7, ""),
    ]
    faces = FaceSet(rows[(rows["skip"] == "") & (rows["label"] == 1)], with_landmark=True, with_mask=True)
    sample = faces.read(0)
    np.testing.assert_array_equal(sample.image[:, :, ::-1], images[fake / "frames" / "000_003" / "0.png"])
    np.testing.assert_array_equal(sample.landmark, points)
    np.testing.assert_array_equal(sample.mask, mask)
    del faces
    again = assay("data", "import", file, "--root", root, "--data", tmp_path / "data", "--label", "simswap_Fake=2")
    assert again.code == 0, again.err


def test_paths_that_do_not_meet_in_one_folder_are_refused(assay, tmp_path: Path):
    document = {
        "X": {
            "X_Real": {"test": {"v": {"label": "X_Real", "frames": ["a/real/frames/v/0.png"]}}},
            "X_Fake": {"test": {"v": {"label": "X_Fake", "frames": ["b/fake/frames/w/0.png"]}}},
        }
    }
    file = tmp_path / "X.json"
    file.write_text(json.dumps(document))
    for video in "vw":
        (tmp_path / "root" / "frames" / video).mkdir(parents=True)
        (tmp_path / "root" / "frames" / video / "0.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    answer = assay("data", "import", file, "--root", tmp_path / "root", "--data", tmp_path / "data")
    assert answer.code == 2
    assert "below 'a/real' and below 'b/fake' is all sought in" in answer.err


def test_a_link_out_of_the_root_is_refused(assay, tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "root" / "X").mkdir(parents=True)
    (tmp_path / "root" / "X" / "0.png").symlink_to(tmp_path / "secret.png")
    file = tmp_path / "X.json"
    file.write_text(json.dumps({"X": {"X_Real": {"test": {"v": {"label": "X_Real", "frames": ["X/0.png"]}}}}}))
    answer = assay("data", "import", file, "--root", tmp_path / "root", "--data", tmp_path / "data")
    assert (answer.code, "leaves its root by a link" in answer.err) == (2, True)


def test_copies_in_train_and_val_are_left_out_and_said_in_one_line(assay, tmp_path: Path):
    videos = {
        f"{number:04}": {"label": "UADFV_Fake", "frames": [f"UADFV\\fake\\frames\\{number:04}\\0.png"]}
        for number in range(2)
    }
    splits = dict.fromkeys(("train", "val", "test"), videos)
    file = tmp_path / "UADFV.json"
    file.write_text(json.dumps({"UADFV": {"UADFV_Fake": splits}}))
    store = write_lmdb(tmp_path / "UADFV_lmdb", [frame for video in videos.values() for frame in video["frames"]])
    answer = assay("data", "import", file, "--lmdb", store, "--data", tmp_path / "data")
    assert "videos left out, since the test set or else val has them too: 2 of train, 2 of val" in answer.out
    assert set(read_manifest(manifest_path(tmp_path / "data", "dfb", "UADFV"))["split"]) == {"test"}
    assert assay("data", "export", "UADFV", "--data", tmp_path / "data", "--out", tmp_path / "out").code == 0
    assert json.loads((tmp_path / "out" / "UADFV.json").read_text()) == json.loads(file.read_text())


def test_some_frames_missing_are_counted_and_all_missing_are_refused(assay, tmp_path: Path):
    own = with_prefix(OFFICIAL, "Celeb-DF-v2\\")
    file = tmp_path / "Celeb-DF-v2.json"
    file.write_text(json.dumps(own))
    store = write_lmdb(tmp_path / "Celeb-DF-v2_lmdb", frames_of(own)[1:])
    answer = assay("data", "import", file, "--lmdb", store, "--data", tmp_path / "data")
    assert answer.code == 0
    assert "frames listed but not there: 1, such as Celeb-DF-v2\\YouTube-real\\frames\\00000\\000.png" in answer.out
    (tmp_path / "other").mkdir()
    other = write_lmdb(tmp_path / "other" / "Celeb-DF-v2_lmdb", ["Celeb-DF-v1\\frames\\v\\0.png"])
    answer = assay("data", "import", file, "--lmdb", other, "--data", tmp_path / "elsewhere")
    assert answer.code == 2
    assert "none of the 5 frames of Celeb-DF-v2 is in" in answer.err
    assert not (tmp_path / "elsewhere").exists()


def test_exports_that_cannot_be_are_one_sentence(assay, data: Path, exported: Path, tmp_path: Path):
    write_ffpp(tmp_path / "two", dataset="DemoFF", levels=("c23", "c40"))
    mistakes = {
        (NAME, "--data", data, "--out", exported, "--dfb"): "is there already",
        (NAME, "--data", data, "--out", tmp_path, "--compression", "c40"): "has no stored face at compression c40",
        (NAME, "--data", data, "--out", tmp_path, "--dfb", "--prefix", "x/"): "--prefix is for frames in folders",
        ("FaceForensic", "--data", data, "--out", tmp_path): f"did you mean '{NAME}'",
        ("DemoFF", "--data", tmp_path / "two", "--out", tmp_path): "choose one by --compression",
    }
    for arguments, expected in mistakes.items():
        answer = assay("data", "export", *arguments)
        assert (answer.code, expected in answer.err) == (2, True), answer
    chosen = assay("data", "export", "DemoFF", "--data", tmp_path / "two", "--out", tmp_path, "--compression", "c40")
    assert chosen.code == 0
    assert "c40" in frames_of(json.loads((tmp_path / "DemoFF.json").read_text()))[0]


def test_a_set_with_a_level_in_its_folders_gets_it_back(assay, tmp_path: Path):
    write_ffpp(tmp_path / "data", dataset="DemoFF")
    out = tmp_path / "dfb"
    answer = assay("data", "export", "DemoFF", "--data", tmp_path / "data", "--out", out, "--dfb")
    assert answer.code == 0
    back = ["--lmdb", out / "DemoFF_lmdb", "--data", tmp_path / "back"]
    assert assay("data", "import", out / "DemoFF.json", *back).code == 0
    assert stored(tmp_path / "back", "DemoFF") == stored(tmp_path / "data", "DemoFF")


def test_what_deepfakebench_has_no_place_for_is_said(assay, data: Path, tmp_path: Path):
    shutil.copytree(data / "dfb" / f"{NAME}_lmdb", tmp_path / "data" / "dfb" / f"{NAME}_lmdb")
    path = manifest_path(data, "dfb", NAME)
    rows, meta = read_manifest(path), manifest_meta(path) | {"parts": {}}
    rows.loc[rows["class_name"] == "FF-NT", "class_name"] = "FF-new"
    rows.loc[rows["key"] == rows["key"].max(), "face"] = 1
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    write_manifest(manifest_path(tmp_path / "data", "dfb", NAME), records, meta)
    answer = assay("data", "export", NAME, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    assert "faces of FF-new are in no JSON of DeepfakeBench's" in answer.out
    assert "1 faces are left out, of frames with several" in answer.out
    assert "label_dict" not in answer.out
    custom = rows[rows["class_name"] == "FF-new"].assign(dataset="own").astype(object).to_dict("records")
    write_manifest(manifest_path(tmp_path / "data", "dfb", "own"), custom, meta)
    answer = assay("data", "export", "own", "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert "label_dict of DeepfakeBench's configuration needs: FF-new: 1" in answer.out


def test_imports_that_cannot_be_are_one_sentence(assay, data: Path, exported: Path, tmp_path: Path):
    file, store = exported / f"{NAME}.json", exported / f"{NAME}_lmdb"
    strange = tmp_path / "X.json"
    strange.write_text(json.dumps({"X": {"FF-DE": {"test": {"v": {"label": "FF-DE", "frames": ["a/0.png"]}}}}}))
    empty = tmp_path / "empty.json"
    empty.write_text(json.dumps({"X": {"FF-DF": {"test": {"v": {"label": "FF-DF", "frames": []}}}}}))
    mistakes = {
        (empty, "--lmdb", store): "empty.json lists no frame",
        (file,): "by one of --lmdb",
        (file, "--lmdb", store, "--root", tmp_path): "by one of --lmdb",
        (file, "--lmdb", tmp_path): "not an LMDB",
        (file, "--root", tmp_path / "none"): "no such folder",
        (file, "--lmdb", store, "--profile", "dbf"): "did you mean 'dfb'",
        (file, "--lmdb", store, "--label", "FF-DF"): "expected NAME=0",
        (file, "--lmdb", store, "--label", "FF-real=1", "--data", data): "was made by 'assay preprocess'",
        (strange, "--lmdb", store): "unknown class 'FF-DE'; did you mean 'FF-",
        (tmp_path / "none.json", "--lmdb", store): "cannot read",
    }
    for arguments, expected in mistakes.items():
        answer = assay("data", "import", *arguments, *([] if "--data" in arguments else ["--data", tmp_path / "d"]))
        assert (answer.code, expected in answer.err, answer.err.count("\n")) == (2, True, 1), answer
    assert not (tmp_path / "d").exists()
