"""`assay evaluate --perturb`: a detector's scores on perturbed test sets, and what becomes of its metrics."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmark.places import ROBUSTNESS, perturbed_path
from benchmark.robustness_tables import levels_tables, read_robustness
from benchmark.scoring import Scoring, ScoringOptions, TestSet
from config.errors import InputError
from evaluation.protocol import Protocol
from evaluation.render import to_rich
from evaluation.robustness import Robustness
from evaluation.scores import ScoreRecord
from preprocessing.views import Suite, load_suite


@dataclass(frozen=True, slots=True)
class Perturbed:
    """One test set's result under a suite: where the scores are, and what was computed from them."""

    dataset: str
    suite: str
    scores: Path
    record: ScoreRecord
    robustness: Robustness


def evaluate_perturbed(
    weights: Path,
    test_sets: Sequence[str],
    suites: Sequence[str | Suite],
    options: ScoringOptions,
    *,
    split: str = "test",
    threshold_on: Sequence[str] = (),
) -> list[Perturbed]:
    """Score test sets under perturbation suites and show what becomes of the AUC.

    The clean crops are scored as well, so that each table stands alone. `benchmark.evaluate.evaluate_weights` does the
    same after its own pass over the clean crops.

    Args:
        weights: a run folder, or a weights file.
        test_sets: preprocessed data sets.
        suites: suites, their names, or YAML files.
        options: how they are scored; a folder for each suite is made in that of each test set.
        split: which split to score.
        threshold_on: data sets whose val scores, made before, thresholds of TPR and FPR are chosen on.

    Returns:
        A result for each test set and suite; in a process that does not lead none.

    Raises:
        InputError: as for `evaluate_weights`, or there is no such suite, or what it needs is not there.
    """
    refuse_epochs_by_set(options.protocol)
    perturbed = load_suites(suites)
    scoring = Scoring.prepare(weights, [TestSet(name, split) for name in test_sets], perturbed, options)
    return score_suites(scoring, list(scoring.rows), perturbed, threshold_on)


def refuse_epochs_by_set(protocol: Protocol) -> None:
    """What is scored in several ways needs the same weights each time.

    Raises:
        InputError: the protocol chooses an epoch for each set.
    """
    if protocol.selected_on_test:
        raise InputError("--perturb and --features need one epoch for all sets; with selected_on_test each has its own")


def load_suites(names: Sequence[str | Suite]) -> list[Suite]:
    """Suites by name or file.

    Raises:
        InputError: two of the same name, which would lie in one folder; or as for `load_suite`.
    """
    suites = [name if isinstance(name, Suite) else load_suite(name) for name in names]
    found = [suite.name for suite in suites]
    if twice := next((name for name in found if found.count(name) > 1), None):
        raise InputError(f"--perturb {twice}: given twice")
    return suites


def score_suites(
    scoring: Scoring, tests: Sequence[TestSet], suites: Sequence[Suite], threshold_on: Sequence[str] = ()
) -> list[Perturbed]:
    """Score test sets under suites and show the results; arguments as for `evaluate_perturbed`."""
    results, options = [], scoring.options
    for test, suite in product(tests, suites):
        out, started = perturbed_path(scoring.folder, test.dataset, suite.name, test.split), time.monotonic()
        counts = scoring.write(test, out, f"{test.name}, {suite.name}", suite=suite)
        if not options.group.leads:
            continue
        record = scoring.record(test, out, counts, started, suite=suite)
        found = read_robustness(out, threshold_on=threshold_on, distances=options.features)
        found.robustness.write(out.with_name(ROBUSTNESS))
        results.append(Perturbed(test.name, suite.name, out, record, found.robustness))
        for table in levels_tables(found) if options.show else ():
            options.console.print(to_rich(table))
    return results
