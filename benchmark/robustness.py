"""`assay evaluate --perturb`: a detector's scores on perturbed test sets, and what becomes of its metrics."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark.places import ROBUSTNESS, features_path, perturbed_path
from benchmark.robustness_tables import levels_tables, read_robustness
from benchmark.scoring import Scoring, TestSet
from config.errors import InputError
from config.processes import ALONE, Group
from evaluation.protocol import OURS, Protocol
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
    data: Path,
    out: Path | None = None,
    *,
    split: str = "test",
    threshold_on: Sequence[str] = (),
    features: bool = False,
    profile: str = "dfb",
    protocol: Protocol = OURS,
    detector_name: str | None = None,
    overrides: Sequence[str] = (),
    precision: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    show: bool = True,
    console: Console,
    group: Group = ALONE,
) -> list[Perturbed]:
    """Score test sets under perturbation suites and show what becomes of the AUC.

    The clean crops are scored as well, so that each table stands alone. `benchmark.evaluate.evaluate_weights` does the
    same after its own pass over the clean crops.

    Args:
        weights: as for `evaluate_weights`.
        test_sets: preprocessed data sets.
        suites: names of suites, or YAML files.
        data: folder of stores and manifests.
        out: as for `evaluate_weights`; a folder for each suite is made in that of each test set.
        split: which split to score.
        threshold_on: data sets whose val scores, made before, thresholds of TPR and FPR are chosen on.
        features: whether the network's features are written beside each score table (evaluation.features).
        profile: preprocessing profile.
        protocol: with which of DeepfakeBench's quirks.
        detector_name: for weights that do not carry their configuration.
        overrides: assignments to the detector's configuration.
        precision: as for `evaluate_weights`.
        device: where to run.
        workers: reading processes.
        show: whether the results are shown.
        console: where progress and results are shown.
        group: the processes that score together.

    Returns:
        A result for each test set and suite; in a process that does not lead none.

    Raises:
        InputError: as for `evaluate_weights`, or there is no such suite, or what it needs is not there.
    """
    refuse_epochs_by_set(protocol)
    perturbed = load_suites(suites)
    scoring = Scoring.prepare(
        weights,
        [TestSet(name, split) for name in test_sets],
        data,
        out,
        suites=perturbed,
        profile=profile,
        protocol=protocol,
        detector_name=detector_name,
        overrides=overrides,
        precision=precision,
        device=device,
        workers=workers,
        console=console,
        group=group,
    )
    return score_suites(scoring, list(scoring.rows), perturbed, threshold_on=threshold_on, features=features, show=show)


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
    scoring: Scoring,
    tests: Sequence[TestSet],
    suites: Sequence[Suite],
    *,
    threshold_on: Sequence[str] = (),
    features: bool = False,
    show: bool = True,
) -> list[Perturbed]:
    """Score test sets under suites and show the results; arguments as for `evaluate_perturbed`."""
    results = []
    for test in tests:
        for suite in suites:
            out, started = perturbed_path(scoring.folder, test.dataset, suite.name, test.split), time.monotonic()
            counts = scoring.write(test, out, f"{test.name}, {suite.name}", suite=suite, features=features)
            if scoring.group.leads:
                record = scoring.record(test, out, counts, started, suite=suite)
                found = read_robustness(out, threshold_on=threshold_on, distances=features_path(out).is_file())
                found.robustness.write(out.with_name(ROBUSTNESS))
                results.append(Perturbed(test.name, suite.name, out, record, found.robustness))
                for table in levels_tables(found) if show else ():
                    scoring.console.print(to_rich(table))
    return results
