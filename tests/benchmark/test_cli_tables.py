"""`assay table` and `assay compare` as a user meets them: spreads in every format, and what a mistake answers."""

import shutil
from pathlib import Path

import pytest

from evaluation.scores import read_scores
from tests.benchmark.test_score_tables import PERFECT, SPREAD, scored


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two detectors on one set, and another set."""
    monkeypatch.chdir(tmp_path)
    scored(Path("one"), "xception", "A", SPREAD, weights="one", seed=1)
    scored(Path("two"), "xception", "A", [(label, 1 - score) for label, score in SPREAD], weights="two", seed=2)
    scored(Path("one"), "xception", "B", SPREAD)
    scored(Path("one"), "xception", "reals", PERFECT[:2])
    return tmp_path


@pytest.mark.parametrize(
    ("form", "spread"), [("md", " ["), ("tex", " {[}"), ("html", 'class="spread">['), ("csv", "frame AUC A low")]
)
def test_intervals_in_every_format(assay, runs: Path, form: str, spread: str):
    options = ["table", "one/eval/A", "--format", form, "--resamples", 20]
    assert spread in assay(*options, "--intervals").out
    assert spread not in assay(*options).out


def test_the_seed_of_the_bootstrap_can_be_chosen(assay, runs: Path):
    options = ["table", "one/eval/A", "--format", "csv", "--resamples", 20, "--intervals"]
    assert assay(*options).out == assay(*options, "--seed", 0).out
    assert assay(*options).out != assay(*options, "--seed", 1).out


def test_over_seeds(assay, runs: Path):
    out = assay("table", "one/eval/A", "two/eval/A", "--over-seeds", "--metric", "video_auc").out
    # 9 of 12 pairs in order, and 3 of 12: mean 0.5, deviation √(2 · 0.25²)
    assert "| xception | 0.5000 ± 0.354 |" in out


@pytest.mark.parametrize("form", ["md", "tex", "html", "csv"])
def test_compare_in_every_format(assay, runs: Path, form: str):
    code, out, _ = assay("compare", "one/eval/A", "two/eval/A", "--format", form, "--resamples", 20)
    assert code == 0
    assert "xception (one)" in out
    assert "first − second" in out or "first $-$ second" in out


MISTAKES = {
    "other test set": (["compare", "one/eval/A", "one/eval/B"], "differ in 'dataset': A in the first, B in the second"),
    "missing rows": (["compare", "one/eval/A", "cut"], "the second score table lacks frame 0 of video 'v6' (A)"),
    "one class": (["compare", "one/eval/reals", "one/eval/reals"], "two real and two fake videos with a face, not 2"),
    "several tables": (["compare", "one", "two"], "one holds several score tables; name one"),
    "no table": (["compare", "one/eval/A", "none"], "no such file or folder: none"),
    "not an AUC": (["compare", "one/eval/A", "two/eval/A", "--metric", "frame_eer"], "did you mean 'frame_auc'"),
    "two spreads": (["table", "one", "--intervals", "--over-seeds"], "--intervals and --over-seeds both"),
    "no val scores": (["table", "one", "--threshold-on", "A"], "no val scores at one/eval/A_val/scores.parquet"),
    "unknown metric": (["table", "one", "--metric", "frame_tpr_at_1", "--over-seeds"], "'frame_tpr_at_1pct'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(assay, runs: Path, name: str):
    Path("cut").mkdir()
    read_scores(Path("two/eval/A/scores.parquet")).iloc[:6].to_parquet("cut/scores.parquet")
    shutil.copy("two/eval/A/scores.json", "cut")
    arguments, expected = MISTAKES[name]
    code, _, err = assay(*arguments)
    assert code == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1
