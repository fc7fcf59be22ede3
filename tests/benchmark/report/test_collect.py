"""What a report finds of some runs: which tables, under which names, with which records, thresholds and weights."""

from pathlib import Path

import pytest
from rich.console import Console

from benchmark.report.collect import Collection, collect
from benchmark.report.explanations import errors_section, robustness_section
from benchmark.report.provenance import all_notes
from config.errors import InputError
from evaluation.scores import ScoreRecord
from tests.benchmark.report.runs import PERFECT, ROWS, TRAINED, VAL, changed, configured, featured, perturbed, trained
from tests.benchmark.test_score_tables import scored


def found(*paths: Path) -> Collection:
    return collect(paths, resamples=20, console=Console(quiet=True))


def test_tables_are_found_at_any_depth_and_once(tmp_path: Path):
    inside = scored(tmp_path / "deep" / "er" / "one", "xception", "A", ROWS)
    named = scored(tmp_path / "two", "sbi", "B", PERFECT)
    collection = found(tmp_path / "deep", inside, named, tmp_path / "deep" / "er")
    assert [(run.name, list(run.results)) for run in collection.runs] == [
        ("sbi (two)", ["B"]),
        ("xception (one)", ["A"]),
    ]
    assert collection.test_sets == ("A", "B")
    assert collection.on("A")["xception (one)"].measured.metrics.frame_auc == 0.75


def test_manipulations_have_the_auc_against_all_reals_and_an_interval(tmp_path: Path):
    (result,) = found(scored(tmp_path / "run", "xception", "A", ROWS, "swap warp")).results
    swap, warp = result.manipulations
    # Of (real, fake) pairs in order: 0.3 and 0.4 above 0.1 alone, 0.7 and 0.8 above both.
    assert (swap.name, swap.auc) == ("swap", 0.5)
    assert (warp.name, warp.auc) == ("warp", 1.0)
    assert warp.interval is not None
    assert (warp.interval.low, warp.interval.high) == (1.0, 1.0)


def test_other_splits_are_taken_if_they_are_named(tmp_path: Path):
    val = scored(tmp_path / "run", "xception", "A", VAL, split="val")
    scored(tmp_path / "run", "xception", "A", ROWS)
    assert found(tmp_path).test_sets == ("A",)
    (result,) = found(val).results
    assert (result.test_set, result.dataset, result.split) == ("A_val", "A", "val")


def test_runs_of_equal_names_are_told_apart_by_their_folders(tmp_path: Path):
    for group in ("old", "new"):
        scored(tmp_path / group / "xception", "xception", "A", ROWS)
    scored(tmp_path / "sbi", "sbi", "A", ROWS)
    names = [run.name for run in found(tmp_path).runs]
    assert names == ["sbi", "xception, new/xception/eval", "xception, old/xception/eval"]


def test_thresholds_come_from_val_scores_of_the_sets_trained_on(tmp_path: Path):
    table = configured(scored(tmp_path / "run", "xception", "A", ROWS), "C")
    assert found(table).results[0].sources == ()
    val = scored(tmp_path / "run", "xception", "C", VAL, split="val")
    scored(tmp_path / "run", "xception", "D", VAL, split="val")
    (result,) = found(table).results
    assert result.sources == ("C",)
    # Val's highest real, 0.5, is the threshold of 1 %: two of four fakes are above it, and one of two reals.
    metrics = result.measured.metrics
    assert (metrics.frame_tpr_at_1pct, metrics.frame_fpr_at_1pct) == (0.5, 0.5)
    changed(val, weights_sha256="others")
    assert found(table).results[0].sources == ()


def test_a_run_folder_has_its_record_and_its_weights(tmp_path: Path):
    table = trained(tmp_path / "run")
    (run,) = found(tmp_path).runs
    assert run.training == TRAINED
    assert run.weights == tmp_path / "run" / "best.safetensors"
    changed(table, weights_sha256="others")
    assert found(tmp_path).runs[0].weights is None
    (run,) = found(scored(tmp_path / "elsewhere", "xception", "A", ROWS)).runs
    assert (run.training, run.weights) == (None, None)


def test_runs_can_be_given_other_names(tmp_path: Path):
    for name in ("one", "two"):
        trained(tmp_path / name)
    collection = found(tmp_path).named({tmp_path / "two": "second", tmp_path / "one": "first"})
    assert [(run.name, run.weights.parent.name if run.weights else "") for run in collection.runs] == [
        ("second", "two"),
        ("first", "one"),
    ]


def test_perturbed_scores_and_clean_features_are_found(tmp_path: Path):
    table = trained(tmp_path / "run")
    under_noise, features = perturbed(table), featured(table, 4)
    under_noise.with_name(features.name).write_bytes(features.read_bytes())
    for given in (tmp_path, table):
        collection = found(given)
        assert collection.perturbed == (under_noise,)
        assert collection.features == (features,)


@pytest.mark.parametrize("given", ["run", "run/eval", "run/eval/A/levels/perturbed.parquet"])
def test_clean_crops_that_were_scored_with_perturbed_ones_alone_are_a_result(tmp_path: Path, given: str):
    table = trained(tmp_path / "run")
    weights = ScoreRecord.read(ScoreRecord.beside(table)).weights_sha256
    scored(tmp_path / "run", "xception", "C", VAL, split="val", weights=weights)
    under_noise, features = configured(perturbed(table), "C"), featured(table, 4)
    moved = under_noise.with_name(features.name)
    features.rename(moved)
    table.unlink()
    collection = found(tmp_path / given)
    ((result,), (run,)) = collection.results, collection.runs
    assert (run.name, result.test_set, result.dataset, result.sources) == ("xception (run)", "A", "A", ("C",))
    assert (result.measured.metrics.frame_auc, result.measured.metrics.n_frames) == (1.0, 4)
    assert (collection.perturbed, collection.features) == ((under_noise,), (moved,))
    assert robustness_section(collection).blocks
    assert errors_section(collection).blocks


def test_a_named_perturbed_table_stands_for_the_clean_one_above_it(tmp_path: Path):
    table = trained(tmp_path / "run")
    collection = found(perturbed(table))
    assert [result.path for result in collection.results] == [table]
    assert collection.results[0].measured.metrics.frame_auc == 0.75


def test_notes_that_are_not_of_all_runs_say_of_which(tmp_path: Path):
    for name in ("one", "two"):
        changed(trained(tmp_path / name), notes=("landmarks: test", f"precision of {name}"))
    assert all_notes(found(tmp_path)) == (
        "landmarks: test",
        "precision of one (xception (one))",
        "precision of two (xception (two))",
    )


def test_what_is_missing_or_damaged_is_one_sentence(tmp_path: Path):
    table = trained(tmp_path / "run")
    with pytest.raises(InputError, match="no such file or folder"):
        found(tmp_path / "none")
    (tmp_path / "run" / "record.json").write_text('{"detector": "xception"}')
    with pytest.raises(InputError, match=r"record\.json is not a run record: initialisation"):
        found(table)
