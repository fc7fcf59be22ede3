"""What a report says of runs whose figures are known, and that no name in them becomes markup."""

import base64
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from benchmark.report.collect import Collection, collect
from benchmark.report.explanations import (
    MOST_HISTOGRAMS,
    confidence_section,
    errors_section,
    features_section,
    robustness_section,
)
from benchmark.report.make import lead, make_report, notes
from benchmark.report.page import Facts, Picture, Report, Row
from benchmark.report.provenance import provenance_section
from benchmark.report.sections import (
    calibration_section,
    coverage_section,
    curves_section,
    leaderboard_section,
    manipulations_section,
    metrics_section,
)
from benchmark.score_tables import runs_table
from evaluation.tables import Table
from tests.benchmark.report.runs import PERFECT, ROWS, VAL, changed, configured, featured, perturbed, trained
from tests.benchmark.report.test_page import page_of
from tests.benchmark.test_score_tables import scored

HOSTILE = ("<script>alert(1)<|script>", '"><img onerror=')


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A trained run and a perfect detector on set A, the first on set B as well."""
    trained(tmp_path / "first")
    scored(tmp_path / "first", "xception", "B", PERFECT, "swap")
    scored(tmp_path / "sbi", "sbi", "A", PERFECT, "swap warp")
    return tmp_path


def found(*paths: Path) -> Collection:
    return collect(paths, resamples=20, console=Console(quiet=True))


def tables(blocks: tuple) -> list[Table]:
    return [block for block in blocks if isinstance(block, Table)]


def pictures(blocks: tuple) -> list[Picture]:
    rows = [picture for block in blocks if isinstance(block, Row) for picture in block.pictures]
    return [block for block in blocks if isinstance(block, Picture)] + rows


def test_the_leaderboard_is_that_of_assay_table(runs: Path):
    for shown, metric in zip(tables(leaderboard_section(found(runs)).blocks), ("frame_auc", "video_auc"), strict=True):
        expected = runs_table([runs], metric, intervals=True, resamples=20)
        assert shown.columns == expected.columns
        for grid in ("values", "spreads"):
            own, other = (dict(zip(table.rows, getattr(table, grid), strict=True)) for table in (shown, expected))
            assert own == other
    best = "1.000 on A (sbi), 1.000 on B (xception (first))"
    assert lead(found(runs)) == f"2 runs on 2 test sets. Highest frame AUC: {best}."


def test_each_test_set_has_its_curves_and_their_figures_in_words(runs: Path):
    told = [picture.told for picture in pictures(curves_section(found(runs)).blocks)]
    assert told == [
        "ROC curves on A, AUC: sbi 1.000, xception (first) 0.750",
        "DET curves on A, EER: sbi 0.000, xception (first) 0.500",
        "ROC curves on B, AUC: xception (first) 1.000",
        "DET curves on B, EER: xception (first) 0.000",
    ]


def test_a_set_of_one_class_has_no_curves_but_is_there(tmp_path: Path):
    collection = found(scored(tmp_path / "run", "xception", "A", PERFECT[:2]))
    assert curves_section(collection).blocks == ()
    (table, _) = leaderboard_section(collection).blocks
    assert isinstance(table, Table)
    assert table.values == ((None,),)
    assert any("no fake sample" in note for note in table.footnotes)


def test_calibration_is_in_a_table_and_in_words(runs: Path):
    section = calibration_section(found(runs))
    (table,) = tables(section.blocks)
    assert table.values[0][0] == pytest.approx(0.2)  # PERFECT says 0.2 of reals and 0.8 of fakes
    assert pictures(section.blocks)[0].told.startswith("Reliability diagram of A, ECE: sbi 0.200, xception (first) 0.")


def test_sets_with_several_manipulations_are_broken_down(runs: Path):
    section = manipulations_section(found(runs))
    (table,) = tables(section.blocks)
    assert table.caption.startswith("A: frame AUC of each manipulation")
    assert table.rows == ("sbi", "xception (first)")
    assert table.values == ((1.0, 1.0, 1.0), (0.5, 1.0, 0.75))
    assert len(pictures(section.blocks)) == 1


def test_coverage_counts_and_names_what_was_skipped(runs: Path):
    changed(runs / "sbi" / "eval" / "A" / "scores.parquet", skipped={"no face": 3})
    changed(runs / "first" / "eval" / "A" / "scores.parquet", skipped={"no face": 3})
    (table,) = tables(coverage_section(found(runs)).blocks)
    assert table.rows == ("A", "B")
    assert [column.name for column in table.columns[:3]] == ["real videos", "fake videos", "frames with a face"]
    assert table.values == ((2, 4, 6, 0, 0, 3), (2, 4, 6, 0, 0, 0))


def test_runs_that_scored_different_samples_are_said_not_to_compare(runs: Path):
    assert not any("do not compare" in note for note in notes(found(runs)))
    changed(runs / "sbi" / "eval" / "A" / "scores.parquet", manifest_sha256="other")
    collection = found(runs)
    assert notes(collection)[0].startswith("A: the runs were not scored on the same manifest rows")
    assert tables(coverage_section(collection).blocks)[0].rows == ("A (sbi)", "A (xception (first))", "B")


def test_every_run_has_all_metrics(runs: Path):
    captions = [table.caption for table in tables(metrics_section(found(runs)).blocks)]
    assert captions == [
        "sbi: metrics by test set",
        "sbi: calibration and operating points by test set",
        "xception (first): metrics by test set",
        "xception (first): calibration and operating points by test set",
    ]


def test_provenance_says_where_scores_and_weights_come_from(runs: Path):
    sbi, first, environment = (block for block in provenance_section(found(runs)).blocks if isinstance(block, Facts))
    assert ("training", "no record: the scores lie in no run folder") in sbi.pairs
    for expected in [
        ("protocol", "corrected, version 1"),
        ("B, manifest sha256", "m"),
        ("note", "landmarks: test"),
        ("trained from", "ImageNet, xception.pth"),
        ("epoch selected", "3: best auc on val, epoch 3, 0.9000"),
        ("trained on", "cpu, 2 processes"),
        ("reconstructions (autoencoder)", f"small autoencoder, a substitute (sha256 {'22' * 6})"),
    ]:
        assert expected in first.pairs
    assert environment.heading == "Environment"
    assert dict(environment.pairs)["accelerator"] == "none, CPU only"


def test_environments_that_differ_are_told_apart(runs: Path):
    path = runs / "sbi" / "eval" / "A" / "scores.parquet"
    (own,) = found(path).results
    changed(path, environment=replace(own.record.environment, gpu="H200", cuda="13"))
    *_, here, there = provenance_section(found(runs)).blocks
    assert isinstance(here, Facts)
    assert isinstance(there, Facts)
    assert (here.heading, dict(here.pairs)["accelerator"]) == ("Environment of sbi", "H200, CUDA 13")
    assert there.heading == "Environment of xception (first), xception (first) (training)"


def test_robustness_of_the_runs_that_were_perturbed(runs: Path):
    assert robustness_section(found(runs)).blocks == ()
    perturbed(runs / "sbi" / "eval" / "A" / "scores.parquet")
    section = robustness_section(found(runs))
    absolute, relative = tables(section.blocks)
    assert absolute.rows == ("sbi",)
    assert absolute.values[0][:3] == (1.0, 0.625, 0.75)
    assert relative.values[0][1:3] == (-0.375, -0.25)
    assert not any("landmarks: test" in table.footnotes for table in (absolute, relative))
    assert len(pictures(section.blocks)) == 1


def test_perturbed_scores_of_equal_names_have_tables_of_their_own(tmp_path: Path):
    for group in ("old", "new"):
        perturbed(scored(tmp_path / group / "xception", "xception", "A", PERFECT))
    rows = [table.rows for table in tables(robustness_section(found(tmp_path)).blocks)]
    assert rows == [("xception, new/xception/eval",)] * 2 + [("xception, old/xception/eval",)] * 2


def test_errors_are_there_where_val_scores_are(runs: Path):
    assert errors_section(found(runs)).blocks == ()
    configured(runs / "sbi" / "eval" / "A" / "scores.parquet", "C")
    scored(runs / "sbi", "sbi", "C", VAL, split="val")
    section = errors_section(found(runs))
    (table,) = tables(section.blocks)
    assert table.rows == ("sbi, A",)
    assert len(pictures(section.blocks)) == 1


def test_many_runs_do_not_crowd_into_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs = MOST_HISTOGRAMS + 1
    for number in range(runs):
        scored(tmp_path / f"{number}", "xception", "A", VAL, split="val")
        for name in ("B", "C"):
            configured(scored(tmp_path / f"{number}", "xception", name, PERFECT, "swap warp"), "A")
    collection = found(tmp_path)
    assert len(pictures(confidence_section(collection).blocks)) == 2 * 2
    assert len(pictures(errors_section(collection).blocks)) == 1
    assert len(pictures(manipulations_section(collection).blocks)) == 2
    for module in ("explanations", "sections"):
        monkeypatch.setattr(f"benchmark.report.{module}.MOST_BARS", 2 * runs - 1)
    blocks = errors_section(collection).blocks
    assert ([len(table.rows) for table in tables(blocks)], len(pictures(blocks))) == ([2 * runs], 2)
    assert len(pictures(manipulations_section(collection).blocks)) == 2 * 2


def test_features_are_laid_out_or_the_reason_is_given(runs: Path):
    assert features_section(found(runs)).blocks == ()
    featured(runs / "sbi" / "eval" / "A" / "scores.parquet", 6)
    featured(runs / "first" / "eval" / "A" / "scores.parquet", 1)
    row, table, reason = features_section(found(runs)).blocks
    assert isinstance(row, Row)
    assert isinstance(table, Table)
    assert table.rows == ("sbi on A",)
    assert (table.values[0][0] or 0) > 0.5
    assert "at least 8 faces, not of 2" in str(reason)


def test_no_name_becomes_markup_on_the_page_or_in_a_picture(tmp_path: Path):
    script, image = HOSTILE
    table = scored(tmp_path / "runs" / f"0{image}", script, image, ROWS, "<b>swap</b> <i>warp</i>")
    changed(table, notes=(script,), git_commit=image, skipped={script: 1})
    perturbed(table, suite=image)
    featured(table, 6)
    out = tmp_path / "report.html"
    report = make_report([tmp_path / "runs"], out, title=script, resamples=20, console=Console(quiet=True))
    page = page_of(tmp_path / "again.html", report)
    assert out.read_text() == (tmp_path / "again.html").read_text()
    assert len(page.all("script")) == 1
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "i"})
    assert [set(each) for each in page.all("img")] == [{"src", "alt", "width", "height"}] * len(pictures_of(report))
    for each in page.all("img"):
        svg = ElementTree.fromstring(base64.b64decode(str(each["src"]).partition(",")[2]))  # noqa: S314, our own
        tags = {re.sub(r"\{.*\}", "", part.tag) for part in svg.iter()}
        assert tags.isdisjoint({"script", "img", "image", "b", "i", "foreignObject"})


def pictures_of(report: Report) -> list[Picture]:
    return [picture for section in report.sections for picture in pictures(section.blocks)]


def test_the_command_writes_the_page(assay, runs: Path):
    out = runs / "new" / "page.html"
    answer = assay("report", runs / "first", runs / "sbi", "--out", out, "--title", "Two runs", "--resamples", 20)
    assert answer.code == 0, answer.err
    assert f"report: {out}" in answer.out
    assert "<h1>Two runs</h1>" in out.read_text()


def test_mistakes_are_one_sentence(assay, runs: Path, tmp_path: Path):
    for arguments, sentence in {
        ("none",): "no such file or folder: none",
        (runs, "--data", "none"): "--data: no such folder: none",
    }.items():
        answer = assay("report", *arguments, "--out", tmp_path / "page.html")
        assert (answer.code, answer.err) == (2, f"assay: {sentence}\n")
