"""Several suites in one call, one with each kind of cell: each figure of its table follows from the cells' files."""

import csv
import re
from collections.abc import Callable
from math import isnan, nan
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.suites import batch
from tests.dfb import write_ffpp

FFPP = "FaceForensics++"
SMALL = ["nEpochs=1", "resolution=32", "train_batchSize=2", "pretrained=null"]
ROW = {"name": "flip", "detector": "efficientnet_lite0", "set": SMALL}
SEEDS = (1, 2)


def content(**changes) -> dict:
    sweep = {"key": "data_aug.flip_prob", "values": [0.25]}
    tests = {"FF++": FFPP, "NT": "FF-NT"}
    noise = {"perturb": "noise.yaml", "test": [FFPP]}
    columns = [
        {"metric": "frame_auc", "test": tests, "averages": {"Avg.": []}},
        {"metric": "video_auc", "test": tests},
        {"metric": "frame_fpr_at_5pct", "test": tests},
        {"metric": "frame_auc", "title": "noise", **noise},
        {"metric": "frame_auc", "relative": True, **noise},
        {"metric": "mpd", "levels": [2], **noise},
        {"metric": "relative_mpd", "levels": [2], **noise},
    ]
    plain = {"title": "A table", "train": [FFPP], "seeds": list(SEEDS), "rows": [ROW | {"sweep": sweep}]}
    return plain | {"columns": columns, "threshold_on": [FFPP], "figures": [{"kind": "sweep"}]} | changes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, a perturbation suite, and suites: one of each kind, one that waits, one that is wrong."""
    folder = tmp_path_factory.mktemp("batch")
    write_ffpp(folder / "data")
    (folder / "noise.yaml").write_text(
        "on: crop\ndraws: 2\nperturbations: {gaussian_noise: [{variance: 25}, {variance: 100}]}"
    )
    plain = {"threshold_on": [], "figures": []}
    suites = {
        "kinds": content(),
        "waits": content(columns=[{"test": [FFPP, "Celeb-DF-v2"]}], **plain),
        "wrong": content(columns=[{"test": [FFPP], "metric": "frame_aux"}], **plain),
    }
    for name, suite in suites.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(suite))
    return folder


@pytest.fixture
def call(assay, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """`assay reproduce ARGUMENTS` on these."""
    monkeypatch.chdir(folder)
    options = ("--data", "data", "--device", "cpu", "--workers", 0)
    return lambda *arguments, out="out": assay("reproduce", *arguments, *options, "--out", out)


def auc(rows: pd.DataFrame) -> float:
    """The chance that a fake scores above a real one, over all pairs."""
    reals, fakes = (rows.loc[rows["label"] == label, "score"].to_numpy() for label in (0, 1))
    return float(np.mean((fakes[:, None] > reals) + (fakes[:, None] == reals) / 2))


def stored(folder: Path) -> pd.DataFrame:
    """Score rows with a face."""
    return pd.read_parquet(next(folder.glob("*.parquet"))).dropna(subset=["score"])


def mpd(folder: Path) -> tuple[float, float]:
    """How far noise of level 2 moves standardised features, and in units of the typical distance of two faces."""
    rows = pd.read_parquet(folder / "features.parquet")
    features = np.stack(rows["feature"].to_numpy()).astype(np.float64)
    clean = features[rows["level"] == 0]
    spread = clean.std(axis=0, ddof=1)
    kept = spread > 0
    moved = [features[(rows["level"] == 2) & (rows["draw"] == draw)] - clean for draw in (0, 1)]
    found = float(np.mean([np.linalg.norm(by[:, kept] / spread[kept], axis=1) for by in moved]))
    return found, found / np.sqrt(2 * kept.sum())


def expected(run: Path) -> dict[str, float]:
    """All columns of a run, from its files alone."""
    (scored,) = run.glob("eval-*")
    clean = {heading: stored(scored / name) for heading, name in (("FF++", FFPP), ("NT", "FF-NT"))}
    val = stored(scored / f"{FFPP}_val")
    threshold = val.loc[val["label"] == 0, "score"].max()  # of so few reals none may be called fake
    found = {f"frame AUC {heading}": auc(rows) for heading, rows in clean.items()}
    found["frame AUC Avg."] = fmean(found.values())
    for heading, rows in clean.items():
        found[f"video AUC {heading}"] = auc(rows.groupby("video_id")[["label", "score"]].mean())
        reals = rows.loc[rows["label"] == 0, "score"]
        found[f"frame FPR@5% {heading}"] = float((reals > threshold).mean())
    noisy = pd.read_parquet(scored / FFPP / "noise" / "perturbed.parquet").dropna(subset=["score"])
    for level in (1, 2):
        draws = [auc(rows) for _, rows in noisy[noisy["level"] == level].groupby("draw")]
        found[f"noise gaussian noise {level}"] = fmean(draws)
        whole = found["frame AUC FF++"]  # of two faces of each class, so that it may be 0
        found[f"change of frame AUC gaussian noise {level}"] = fmean(draws) / whole - 1 if whole else nan
    found["mPD gaussian noise"], found["relative mPD gaussian noise"] = mpd(scored / FFPP / "noise")
    return found


def number(cell: str) -> float:
    """Of a table; not a number where it is empty."""
    return float(cell) if cell else nan


def summary(words: str) -> dict[str, list[str]]:
    """The numbers of the last table, by suite."""
    lines = [line.split() for line in words.rpartition("Suite")[2].splitlines()]
    return {name: numbers for name, *numbers in lines if len(numbers) == 4 and name != "─"}


def test_each_kind_of_cell_and_what_becomes_of_several_suites(call, folder: Path):
    code, words, err = call("kinds.yaml", "wrong.yaml", "waits.yaml")
    assert code == 1
    assert err == ""
    assert words.count("epoch 1/") == len(SEEDS), "what two suites need is made once"
    assert "wrong.yaml failed: unknown metric 'frame_aux'; did you mean 'frame_auc'" in words
    assert "waits.yaml waits for Celeb-DF-v2\n" in words
    assert "assay preprocess Celeb-DF-v2" in words.rpartition("Suite")[2]
    found = summary(words)
    assert {name: (done, of, files) for name, (done, of, _, files) in found.items()} == {
        "kinds.yaml": ("10", "10", "7"),
        "wrong.yaml": ("0", "0", "0"),
        "waits.yaml": ("4", "6", "5"),
    }
    with (folder / "out" / "suites" / "kinds.csv").open() as file:
        (row,) = csv.DictReader(file)
    runs = {path.name: expected(path) for path in (folder / "out" / "runs").iterdir()}
    assert len(runs) == len(SEEDS)
    for heading in next(iter(runs.values())):
        values = [by[heading] for by in runs.values()]
        assert number(row[heading]) == pytest.approx(fmean(values), abs=1e-6, nan_ok=True), heading
        if not heading.endswith("Avg.") and not isnan(fmean(values)):
            assert float(row[f"{heading} deviation"]) == pytest.approx(stdev(values), abs=1e-6), heading
    assert (folder / "out" / "suites" / "kinds-sweep.png").is_file()
    code, words, _ = call("waits.yaml", "kinds.yaml")
    assert code == 0, "to wait is no failure"
    assert "epoch 1/" not in words


def test_a_suite_that_breaks_does_not_keep_the_others_from_being_made(call, monkeypatch, caplog):
    def broken(plan, *_):
        if plan.name == "kinds":
            raise RuntimeError("out of memory")
        return []

    monkeypatch.setattr(batch, "make", broken)
    code, words, _ = call("kinds.yaml", "waits.yaml")
    assert code == 1
    assert "kinds.yaml failed: RuntimeError: out of memory" in words
    assert "waits.yaml, 2 of 2" in words
    assert "out of memory" in caplog.text


def test_a_bill_counts_each_cell_once(call, monkeypatch):
    monkeypatch.setattr(batch, "Costs", lambda device, apart: SimpleNamespace(name=device, seconds=lambda cell: 60.0))
    code, words, err = call("kinds.yaml", "waits.yaml", "--plan", out="another")
    assert code == 0, err
    lines = {line.split()[0]: line.split()[1:] for line in words.splitlines() if ".yaml" in line}
    assert lines["kinds.yaml"] == ["10", "10", "0", "10", "0", "0:10:00"]
    assert lines["waits.yaml"] == ["6", "2", "0", "0", "2", "0:02:00"]
    assert "to run: 10 cells, about 0:10:00 on cpu" in words
    assert "waits: 2 cells, about 0:02:00 on cpu" in words
    assert words.count("Celeb-DF-v2 is not preprocessed") == 1
    assert call("kinds.yaml", "wrong.yaml", "--plan", out="another").code == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "name the suites to reproduce (assay list suites), or give --all"),
        (["demo", "--all"], "name the suites to reproduce (assay list suites), or give --all"),
        (["prodet_tabel*"], "unknown suite 'prodet_tabel*'; did you mean 'prodet_table"),
        (["demo", "prodet_tabel1"], "unknown suite 'prodet_tabel1'; did you mean 'prodet_table1'"),
        (["prodet_*", "--overwrite", "always"], "--overwrite always: suites have cells in common"),
        (["df40_*", "--only", "nobody"], "unknown row 'nobody'"),
    ],
)
def test_what_cannot_be_meant_is_answered(call, given: list[str], message: str):
    code, _, err = call(*given)
    assert code == 2
    assert message in err


def test_patterns_and_rows_choose_suites():
    assert batch.suites_named(["df40_*"]) == [f"df40_protocol{number}" for number in (1, 2, 3, 4)]
    assert batch.suites_named(["df40_*", "demo"], ["SBI"]) == ["df40_protocol1", "df40_protocol2", "df40_protocol3"]
    assert len(batch.suites_named(["*"])) > 60
    assert not [name for name in batch.suites_named(["*_table*"]) if not re.search("_table", name)]
