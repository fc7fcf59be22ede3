"""`assay reproduce` on the small demo: what runs, what is kept, what a kill leaves, and the table's numbers."""

import csv
from pathlib import Path
from statistics import fmean, stdev

import pytest

from benchmark.demo.prepare import STAMP
from benchmark.suites import run
from config.load import load_config
from config.suite import SuiteConfig
from evaluation.metrics import evaluate_scores
from evaluation.scores import read_scores

SUITE = """
title: A table of the demo
train: [FaceForensics++]
rows:
  - {name: first, detector: efficientnet_lite0, set: ["data_aug.flip_prob=0.25"]}
columns:
  - {metric: frame_auc, test: {FF++: FaceForensics++, CDF: Celeb-DF-v2}, averages: {Avg.: []}}
  - {metric: video_eer, test: {CDF: Celeb-DF-v2}}
"""
FIGURES = """
figures:
  - {kind: organisation, test: FF-FS, pseudofake: FOLDER/near.yaml}
  - {kind: confidence, test: {DFDCP: DFDCP, CDF: Celeb-DF-v2}, rows: [second]}
"""
PUBLISHED = """
published:
  source: prodet
  table: Table 2
  rows: {first: VHT}
  columns: {CDF: CDFv2, Avg.: null, video EER: null}
"""
pytestmark = pytest.mark.usefixtures("small_demo")


def table(folder: Path, name: str) -> dict[str, dict[str, str]]:
    """The CSV of a suite's table: rows by name, values by heading."""
    with (folder / "suites" / f"{name}.csv").open() as file:
        return {row["Detector"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two suites that have a row in common, one with seeds, and one of a paper's table."""
    folder = tmp_path_factory.mktemp("suites")
    (folder / "mine.yaml").write_text(SUITE)
    (folder / "near.yaml").write_text("base: sbi\nnearest: 2  # faces of other videos in the small demo's test split")
    (folder / "wider.yaml").write_text(
        SUITE.replace("columns:", "  - {name: second, detector: vht}\ncolumns:").replace(
            "CDF: Celeb", "D: DFDC, CDF: Celeb"
        )
        + FIGURES.replace("FOLDER", str(folder))
    )
    (folder / "seeds.yaml").write_text(SUITE + "seeds: [0, 1]\n")
    (folder / "beside.yaml").write_text(SUITE + PUBLISHED)
    return folder


def weights(out: Path) -> dict[str, int]:
    """When the weights of each run were written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (out / "runs").glob("*/last.safetensors")}


def test_a_table_from_nothing_then_only_what_is_missing(assay, tmp_path: Path, files: Path, monkeypatch):
    out = tmp_path / "demo"
    options = ("--demo", "--out", out, "--workers", 0, "--device", "cpu")
    code, words, err = assay("reproduce", files / "mine.yaml", "--plan", *options)
    assert code == 0, err
    assert words.count("to run") == 4  # a run, two test sets, and the sum
    assert not weights(out)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, "evaluate_weights", killed)
        assert assay("reproduce", files / "mine.yaml", *options).code == 130
    before = weights(out)
    assert len(before) == 1

    code, words, err = assay("reproduce", files / "mine.yaml", *options)
    assert code == 0, err
    assert "epoch 1/" not in words
    (row,) = table(out, "mine").values()
    for heading, dataset in (("FF++", "DemoFF"), ("CDF", "DemoX")):
        (scores,) = (out / "runs").glob(f"*/eval-*/{dataset}/scores.parquet")
        assert float(row[f"frame AUC {heading}"]) == evaluate_scores(read_scores(scores)).frame_auc
    assert float(row["frame AUC Avg."]) == fmean([float(row["frame AUC FF++"]), float(row["frame AUC CDF"])])
    for suffix in ("md", "tex", "html"):
        assert "DemoX in place of Celeb-DF-v2" in (out / "suites" / f"mine.{suffix}").read_text()

    code, words, err = assay("reproduce", files / "wider.yaml", *options)
    assert code == 0, err
    assert words.count("epoch 1/") == 1
    assert {name: when for name, when in weights(out).items() if name in before} == before
    wider = table(out, "wider")
    assert list(wider) == ["first", "second"]
    assert wider["first"]["frame AUC CDF"] == wider["first"]["frame AUC D"] == row["frame AUC CDF"]
    assert words.count("figure: ") == 2
    with (out / "suites" / "wider-organisation.csv").open() as file:
        organised = {row["Detector"]: row for row in csv.DictReader(file)}
    assert {name: float(row["tuples"]) for name, row in organised.items()} == {"first": 4, "second": 4}
    with (out / "suites" / "wider-confidence.csv").open() as file:
        assert [row["Detector and test set"] for row in csv.DictReader(file)] == ["second on DFDCP", "second on CDF"]
    assert "DemoFF in place of FaceForensics++; DemoFF-LandmarkSwap in place of FF-FS" in words

    first = (out / "suites" / "mine.csv").read_bytes()
    assert assay("reproduce", files / "mine.yaml", *options, "--overwrite", "only-cache").code == 0
    assert (out / "suites" / "mine.csv").read_bytes() == first
    assert assay("reproduce", files / "beside.yaml", *options, "--overwrite", "only-cache").code == 0
    beside = table(out, "beside")
    assert beside["first"]["frame AUC CDF"] == row["frame AUC CDF"]
    assert (beside["first"]["frame AUC CDF published"], beside["first"]["cited"]) == ("0.771", "False")
    assert (beside["M-C"]["frame AUC FF++"], beside["M-C"]["frame AUC FF++ published"]) == ("", "0.9677")
    assert not [heading for heading in beside["first"] if "difference" in heading]
    for suffix in ("md", "tex", "html"):
        assert STAMP in (out / "suites" / f"beside.{suffix}").read_text()
    code, _, err = assay("reproduce", files / "mine.yaml", *options, "--overwrite", "never")
    assert code == 2
    assert "is there already" in err
    code, words, err = assay("reproduce", files / "mine.yaml", *options, "--overwrite", "always")
    assert code == 0, err
    assert words.count("epoch 1/") == 1
    assert (out / "suites" / "mine.csv").read_bytes() == first

    code, words, err = assay("reproduce", files / "seeds.yaml", *options)
    assert code == 0, err
    assert words.count("epoch 1/") == 1  # seed 0 is there
    (averaged,) = table(out, "seeds").values()
    found = [
        evaluate_scores(read_scores(path)).frame_auc
        for path in (out / "runs").glob("efficientnet_lite0-*/eval-*/DemoX/scores.parquet")
    ]
    assert len(found) == 2
    assert float(averaged["frame AUC CDF"]) == pytest.approx(fmean(found), abs=1e-12)
    assert float(averaged["frame AUC CDF deviation"]) == pytest.approx(stdev(found), abs=1e-12)


def test_what_waits_is_said_and_left_empty(assay, tmp_path: Path, files: Path):
    code, words, err = assay("reproduce", files / "mine.yaml", "--data", tmp_path, "--out", tmp_path / "results")
    assert code == 0, err
    assert "assay preprocess FaceForensics++" in words
    (row,) = table(tmp_path / "results", "mine").values()
    assert {value for heading, value in row.items() if heading != "Detector"} == {""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("demos",), "did you mean 'demo'"),
        (("demo", "--only", "xception"), "efficientnet_lite0"),
        (("none.yaml",), "no such suite file: none.yaml"),
    ],
)
def test_wrong_names_are_answered(assay, tmp_path: Path, arguments, message: str):
    code, _, err = assay("reproduce", *arguments, "--data", tmp_path, "--out", tmp_path)
    assert code == 2
    assert message in err


def test_an_unknown_metric_is_answered_before_anything_runs(assay, tmp_path: Path, files: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SUITE.replace("video_eer", "video_err"))
    assert load_config(SuiteConfig, files / "mine.yaml").columns[1].metric == "video_eer"
    code, _, err = assay("reproduce", bad, "--data", tmp_path, "--out", tmp_path)
    assert code == 2
    assert "did you mean 'video_eer'" in err
