"""Rows over seeds: what belongs together, and mean and deviation by hand."""

from pathlib import Path
from statistics import stdev

import pytest

from benchmark.seeds import runs_table_over_seeds
from config.errors import InputError
from evaluation.tables import Deviation
from tests.benchmark.test_score_tables import HALF, PERFECT, scored

QUARTER = [(0, 0.1), (0, 0.9), (0, 0.8), (0, 0.7), (1, 0.5)]


def run(folder: Path, dataset: str, rows: list[tuple[int, float]], seed: int, config: str = "nEpochs: 4") -> Path:
    """A score table of a training run with its seed, weights and configuration."""
    path = scored(folder, "xception", dataset, rows, seed=seed, weights=folder.name)
    path.with_name("config.yaml").write_text(f"model_name: xception\nmanualSeed: {seed}\nworkers: {seed}\n{config}\n")
    return path


def test_runs_of_several_seeds_are_one_row(tmp_path: Path):
    for seed, rows in ((1, PERFECT), (2, HALF), (3, QUARTER)):
        run(tmp_path / f"s{seed}", "A", rows, seed)
    table = runs_table_over_seeds([tmp_path])
    assert table.rows == ("xception",)
    assert [column.name for column in table.columns] == ["A", "seeds"]
    assert table.values == ((pytest.approx(1.75 / 3), 3),)
    assert table.spreads[0] == (Deviation(pytest.approx(stdev([1, 0.5, 0.25]))), None)
    assert "mean ± sample standard deviation over training seeds" in table.footnotes


def test_the_average_is_taken_for_each_seed_first(tmp_path: Path):
    for seed, a, b in ((1, PERFECT, HALF), (2, HALF, PERFECT)):
        run(tmp_path / f"s{seed}", "A", a, seed)
        run(tmp_path / f"s{seed}", "B", b, seed)
    table = runs_table_over_seeds([tmp_path])
    assert [column.name for column in table.columns] == ["A", "B", "Avg.", "seeds"]
    assert table.values == ((0.75, 0.75, 0.75, 2),)
    # Each set differs between seeds, their average does not.
    assert table.spreads[0] == (Deviation(stdev([1, 0.5])), Deviation(stdev([1, 0.5])), Deviation(0), None)


def test_a_seed_without_a_test_set_is_told(tmp_path: Path):
    run(tmp_path / "s1", "A", PERFECT, 1)
    run(tmp_path / "s1", "B", HALF, 1)
    run(tmp_path / "s2", "A", HALF, 2)
    table = runs_table_over_seeds([tmp_path])
    assert table.values == ((0.75, 0.5, None, 2),)
    assert table.spreads[0][1] is None
    assert "xception on B: 1 of 2 seeds" in table.footnotes


def test_other_settings_are_another_row(tmp_path: Path):
    run(tmp_path / "s1", "A", PERFECT, 1)
    run(tmp_path / "s2", "A", HALF, 2)
    run(tmp_path / "long", "A", QUARTER, 1, "nEpochs: 8")
    table = runs_table_over_seeds([tmp_path])
    rows = dict(zip(table.rows, table.values, strict=True))
    assert rows == {"xception (s1), xception (s2)": (0.75, 2), "xception (long)": (0.25, 1)}


def test_a_seed_given_twice_is_refused(tmp_path: Path):
    run(tmp_path / "s1", "A", PERFECT, 1)
    run(tmp_path / "again", "A", HALF, 1)
    with pytest.raises(InputError, match="seed 1 of xception on A is given twice"):
        runs_table_over_seeds([tmp_path])


def test_the_same_weights_are_not_two_seeds(tmp_path: Path):
    for seed in (1, 2):
        scored(tmp_path / f"s{seed}", "xception", "A", PERFECT, seed=seed, weights="same")
    with pytest.raises(InputError, match="are of the same weights, not of two training runs"):
        runs_table_over_seeds([tmp_path])


def test_a_broken_configuration_is_named(tmp_path: Path):
    path = run(tmp_path / "s1", "A", PERFECT, 1).with_name("config.yaml")
    path.write_text("a: [")
    with pytest.raises(InputError, match=str(path)):
        runs_table_over_seeds([tmp_path])
