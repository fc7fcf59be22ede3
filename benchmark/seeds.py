"""Tables over training seeds: runs that differ in nothing but their seed are one row, mean ± deviation."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from benchmark.places import CONFIG
from benchmark.score_tables import Cell, metric_table, metric_title, read_cells
from config.errors import InputError
from config.load import read_yaml
from evaluation.tables import Column, Deviation, Spread, Table

AVERAGE = "Avg."
# Keys of a configuration that may differ between runs of one row: the seed, and what depends on the machine.
_MAY_DIFFER = ("manualSeed", "workers", "test_batchSize")


def runs_table_over_seeds(
    paths: Sequence[Path], metric: str = "frame_auc", *, threshold_on: Sequence[str] = ()
) -> Table:
    """A row for each detector as configured, a column for each test set, and the number of seeds.

    A row is made of the score tables whose detector and configuration (config.yaml beside the scores) are the same but
    for `manualSeed`; the seed is that of their record. Values are means over seeds, spreads sample standard deviations
    (n - 1), none for a single seed. The average over test sets is taken for each seed first, so that its deviation is
    that of averages; it is empty if a seed lacks a test set.

    Args:
        paths: as for `runs_table`.
        metric: as for `runs_table`.
        threshold_on: as for `runs_table`.

    Raises:
        InputError: a seed or the same weights are given twice for a test set, or as for `runs_table`.
    """
    cells = read_cells(paths, metric, threshold_on=threshold_on)
    sets = sorted({cell.test_set for cell in cells})
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_same_but_for_the_seed(cell), []).append(cell)
    rows: dict[str, dict[str, tuple[float | None, Spread | None]]] = {}
    seeds: list[float] = []
    notes = {note for cell in cells for note in cell.notes}
    for group in groups.values():
        name = _name(group, [other for other in groups.values() if other is not group])
        by_seed = _by_seed(group)
        if len(sets) > 1:
            by_seed = {seed: row | {AVERAGE: _average(row, sets)} for seed, row in by_seed.items()}
        rows[name] = {column: _mean(by_seed, column) for column in (*sets, AVERAGE)}
        seeds.append(len(by_seed))
        counts = {column: sum(row.get(column) is not None for row in by_seed.values()) for column in sets}
        notes |= {
            f"{name} on {column}: {n} of {len(by_seed)} seeds" for column, n in counts.items() if n < len(by_seed)
        }
    notes.add("mean ± sample standard deviation over training seeds")
    columns = [*sets, AVERAGE] if len(sets) > 1 else sets
    table = metric_table(metric, columns, rows, sorted(notes))
    return replace(
        table,
        caption=f"{metric_title(metric)} by test set, over seeds",
        columns=(*table.columns, Column("seeds", None, format=".0f")),
        values=tuple((*row, count) for row, count in zip(table.values, seeds, strict=True)),
        spreads=tuple((*row, None) for row in table.spreads),
    )


def _by_seed(cells: Sequence[Cell]) -> dict[int, dict[str, float | None]]:
    """Values by seed and test set; each weights file counts once."""
    values: dict[int, dict[str, float | None]] = {}
    weights: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        row = values.setdefault(cell.record.seed, {})
        if cell.test_set in row:
            raise InputError(
                f"{cell.path}: seed {cell.record.seed} of {cell.record.detector} on {cell.test_set} is given twice"
            )
        row[cell.test_set] = cell.value
        twin = weights.setdefault((cell.record.weights_sha256, cell.test_set), cell)
        if twin is not cell:
            raise InputError(f"{cell.path} and {twin.path} are of the same weights, not of two training runs")
    return values


def _average(row: dict[str, float | None], sets: Sequence[str]) -> float | None:
    present = [value for name in sets if (value := row.get(name)) is not None]
    return fmean(present) if len(present) == len(sets) else None


def _mean(by_seed: dict[int, dict[str, float | None]], column: str) -> tuple[float | None, Deviation | None]:
    values = [value for row in by_seed.values() if (value := row.get(column)) is not None]
    if not values or (column == AVERAGE and len(values) < len(by_seed)):
        return None, None
    return fmean(values), Deviation(stdev(values)) if len(values) > 1 else None


def _same_but_for_the_seed(cell: Cell) -> str:
    """What the runs of a row have in common, as text."""
    path = cell.path.with_name(CONFIG)
    config = read_yaml(path) if path.is_file() else {}
    return json.dumps([cell.record.detector, {key: config[key] for key in sorted(config) if key not in _MAY_DIFFER}])


def _name(cells: Sequence[Cell], others: Sequence[Sequence[Cell]]) -> str:
    """The detector; with the names of its runs, if another row is of the same detector."""
    detector = cells[0].record.detector
    if all(detector != other[0].record.detector for other in others):
        return detector
    return ", ".join(sorted({cell.run for cell in cells}))
