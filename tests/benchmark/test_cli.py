"""The command line as a user meets it: what a mistake answers, what listing shows."""

import re
from importlib.metadata import version
from pathlib import Path

import cv2
import pytest

from config.load import config_names, load_config
from config.pseudofake import PseudoFakeConfig
from config.schema import DatasetConfig, DetectorConfig
from config.suite import SuiteConfig
from preprocessing.rows import load_rows
from tests.faces import still
from tests.media import write_video


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("detectors", "xception"),
        ("backbones", "efficientnet_lite0"),
        ("losses", "cross_entropy"),
        ("recipes", "balanced"),
        ("datasets", "FaceForensics++"),
        ("pseudofakes", "fia_usa"),
        ("layouts", "celebdf"),
        ("perturbations", "jpeg"),
        ("perturbations", "prodet_table4"),
    ],
)
def test_list_shows_names(assay, kind: str, name: str):
    code, out, _ = assay("list", kind)
    assert code == 0
    assert name in [line.split()[0] for line in out.splitlines()]


@pytest.mark.parametrize(
    ("kind", "schema", "variant"),
    [("pseudofakes", PseudoFakeConfig, "adfd_table7/alpha"), ("detectors", DetectorConfig, "facexray/hrnet")],
)
def test_what_has_a_file_is_listed_with_its_variants_by_names_that_load(assay, kind, schema, variant):
    listed, preset = [], ""
    for line in assay("list", kind).out.splitlines():
        name, _, about = line.partition(" ")
        if name:
            preset = name
            listed.append(name)
            if schema is PseudoFakeConfig:
                assert load_config(schema, name).title == about.strip()
        else:
            listed += [f"{preset}/{variant}" for variant in about.split()[1:]]
    assert [name for name in listed if "/" not in name] == config_names(schema)
    assert variant in listed
    for name in listed:
        load_config(schema, name)


def test_list_shows_one_thing_alone_and_answers_a_name_that_is_not_there(assay):
    lines = assay("list", "datasets", "DiffSwap").out.splitlines()
    assert [line.split()[0] for line in lines] == ["DiffSwap"]
    name, variants = assay("list", "detectors", "facexray").out.splitlines()
    assert (name.split()[0], variants.split()) == ("facexray", ["variants:", "hrnet"])
    assert assay("list", "detectors", "ffd/weak").out.split(maxsplit=1) == [
        "ffd/weak",
        "ffd with {options: {supervision: labels}, with_mask: false}\n",
    ]
    answer = assay("list", "detectors", "ffd/week")
    assert (answer.code, answer.err) == (2, "assay: unknown variant of ffd 'week'; did you mean 'weak'?\n")
    answer = assay("list", "backbones", "resnet55")
    assert (answer.code, answer.err) == (2, "assay: unknown backbone 'resnet55'; did you mean 'resnet50'?\n")


def test_suites_are_listed_with_their_size_their_data_sets_and_hours(assay):
    code, out, _ = assay("list", "suites")
    assert code == 0
    lines = {line.split()[0]: line.split() for line in out.splitlines() if line and line[0] not in " ─"}
    assert {*config_names(SuiteConfig)} <= set(lines)
    assert lines["prodet_table6"][:4] == ["prodet_table6", "1", "3", "0"]
    assert float(lines["prodet_table6"][4]) > 0
    assert " ".join(lines["prodet_table6"][5:]) == "FaceForensics++, Celeb-DF-v2, DFDC"
    assert lines["df40_protocol2"][4:] == ["–", "DF40-ff,", "DF40-cdf"], "no card says how many faces DF40 has"
    assert "all, with each cell once: " in out


def test_a_suite_is_listed_in_detail(assay):
    out = assay("list", "suites", "df40_protocol2").out
    assert "  Xception, FR: xception with xception at 256 pixels, 10 epochs of FRAll_ff\n" in out
    assert "  frame AUC: FS, FR, EFS, Avg.\n" in out
    wanted = "  DF40-cdf (FSAll_cdf, FRAll_cdf, EFSAll_cdf): assay preprocess DF40-cdf --root DIR --profile dfb\n"
    assert wanted in out
    assert "GPU hours: unknown, as no card says how many faces the 52 cells have\n" in out
    out = assay("list", "suites", "realid_readings_sbi").out
    assert "assay preprocess Celeb-DF-v2 --root DIR --profile sbi" in out
    assert re.search(r"GPU hours: \d+, [\d.]+ of training and [\d.]+ of scoring, of 70 cells; estimated by counts", out)
    answer = assay("list", "suites", "realid_tabel1")
    assert (answer.code, answer.err) == (2, "assay: unknown suite 'realid_tabel1'; did you mean 'realid_table1'?\n")


def test_version(assay):
    assert assay("--version").out == f"assay {version('assay-deepfake')}\n"


MISTAKES = {
    "unknown data set": (["preprocess", "FaceForensic++", "--root", "."], "did you mean 'FaceForensics++'"),
    "a part by itself": (["preprocess", "FF-DF", "--root", "."], "FF-DF is a part of FaceForensics++"),
    "unknown card": (["data", "card", "DeepFakeDetectoin"], "did you mean 'DeepFakeDetection'"),
    "misspelt part": (["data", "check", "simswap_f", "--root", "."], "did you mean 'simswap_ff'"),
    "missing list": (["preprocess", "none.csv", "--root", "."], "no such list of media: none.csv"),
    "missing root": (["preprocess", "custom", "--root", "nowhere"], "no such folder: nowhere"),
    "empty root": (["preprocess", "custom", "--root", "."], "expected to have real, fake"),
    "missing predictor": (["preprocess", "custom", "--root", ".", "--landmarks", "x.dat"], "x.dat"),
    "unknown profile": (["preprocess", "custom", "--root", ".", "--profile", "dbf"], "did you mean 'dfb'"),
    "unknown detector": (["train", "xceptoin", "--train", "custom"], "did you mean 'xception'"),
    "misspelt key": (["train", "xception", "--set", "optimizer.adam.lrr=1"], "did you mean 'optimizer.adam.lr'"),
    "wrong type": (["train", "xception", "--set", "nEpochs=ten"], "nEpochs"),
    "no value": (["train", "xception", "--set", "nEpochs"], "expected key=value"),
    "not preprocessed": (["train", "xception", "--train", "custom"], "assay preprocess"),
    "missing weights": (["evaluate", "none.pth", "--test", "custom"], "none.pth"),
    "folder without a run": (["evaluate", ".", "--test", "custom"], "no run folder"),
    "missing scores": (["table", "none.parquet"], "none.parquet"),
    "folder without scores": (["table", "."], "no scores.parquet"),
    "unknown metric": (["table", ".", "--metric", "frame_acu"], "did you mean 'frame_auc'"),
    "unknown pseudo-fake": (["explain", "pseudofakes", "sib"], "did you mean 'sbi'"),
    "unknown variant": (["explain", "pseudofakes", "adfd_table7/alfa"], "did you mean 'adfd_table7/alpha'"),
    "misspelt setting": (["explain", "pseudofakes", "--set", "mask.knd=hull"], "did you mean 'mask.kind'"),
    "picture of another kind": (["explain", "pseudofakes", "--out", "sheet.gif"], "valid are: .png, .jpg, .svg"),
    "folder without photographs": (["explain", "pseudofakes", "--faces", "."], "holds no photographs"),
    "no folder": (["explain", "pseudofakes", "--faces", "nowhere"], "no such folder of photographs: nowhere"),
    "faces from two places": (["explain", "pseudofakes", "--faces", ".", "--train", "DemoFF"], "choose one of them"),
    "no stored faces": (["explain", "pseudofakes", "--train", "custom"], "assay preprocess"),
    "unknown suite": (["perturb", "custom", "--root", ".", "--perturb", "h246"], "did you mean 'h264'"),
    "a suite on crops": (["perturb", "custom", "--root", ".", "--perturb", "levels"], "expected one with 'on: frame'"),
    "nothing to perturb": (["perturb", "custom", "--root", ".", "--perturb", "h264"], "assay preprocess"),
    "unknown suite to draw": (["explain", "perturbations", "level"], "did you mean 'levels'"),
    "missing plugin": (["list", "detectors", "--plugin", "none.py"], "none.py"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.chdir(tmp_path)
    arguments, expected = MISTAKES[name]
    code, _, err = assay(*arguments)
    assert code == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1
    assert "Traceback" not in err


def test_the_landmark_model_may_stand_in_the_profile(assay, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("name: mine\nlandmarks: absent.dat\n")
    code, _, err = assay("preprocess", "custom", "--root", tmp_path, "--profile", tmp_path / "mine.yaml")
    assert code == 2
    assert "absent.dat: no such file" in err


def test_preprocess_says_what_became_of_the_frames(assay, tmp_path: Path):
    write_video(tmp_path / "fake" / "nobody.mp4", [0, 50])
    (tmp_path / "real").mkdir()
    cv2.imwrite(str(tmp_path / "real" / "a.png"), still())
    (tmp_path / "real" / "zero.png").write_bytes(b"")
    code, out, _ = assay("preprocess", "custom", "--root", tmp_path, "--data", tmp_path / "data", "--workers", 1)
    assert code == 0
    assert "1 faces in 4 frames of 3 videos (2 without a face), landmarks by assay-compact-81" in out
    assert "skipped 2: no face" in out
    assert "skipped 1: unreadable frame" in out
    code, _, err = assay("train", "efficientnet_lite0", "--train", "custom", "--data", tmp_path / "data")
    assert code == 2
    assert "nothing in split 'train'" in err


def test_preprocess_takes_a_csv(assay, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "a.png"), still())
    cv2.imwrite(str(tmp_path / "b.png"), still(1))
    (tmp_path / "office.csv").write_text(
        "path,label,split,method\na.png,real,,\nb.png,fake,val,Wav2Lip\ngone.mp4,1,,\n"
    )
    code, _, err = assay("preprocess", tmp_path / "office.csv", "--root", tmp_path, "--data", tmp_path, "--workers", 1)
    assert code == 0, err
    rows = load_rows(tmp_path, "office", "val")
    assert rows[["class_name", "label", "skip"]].values.tolist() == [["office_Wav2Lip", 1, ""]]
    assert load_rows(tmp_path, "office", "test")["label"].tolist() == [0]


@pytest.mark.parametrize("name", config_names(DatasetConfig))
def test_every_data_set_of_the_papers_has_a_whole_card(assay, name: str):
    config = load_config(DatasetConfig, name)
    code, out, _ = assay("data", "card", name)
    assert code == 0
    assert config.title in out
    if not config.note and name != "custom":
        card = config.card
        assert all([card.paper, card.access, card.licence, card.rules or card.expected])
        assert all(count.class_name in out for count in card.expected)


def test_the_card_of_a_part_is_its_data_sets(assay):
    assert assay("data", "card", "FSAll_ff").out == assay("data", "card", "DF40-ff").out


def test_the_docs_name_every_data_set():
    page = (Path(__file__).resolve().parents[2] / "docs" / "data-sets.md").read_text(encoding="utf-8")
    named = [name for name in config_names(DatasetConfig) if not name.startswith("Demo")]
    assert not [name for name in named if name not in page]
