"""`assay evaluate`: a detector's scores on test sets, their records, and the metrics that follow from them."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark.places import METRICS, scores_path
from benchmark.robustness import load_suites, refuse_epochs_by_set, score_suites
from benchmark.score_tables import calibration_table, manipulation_table, summary_table, thresholds_beside
from benchmark.scoring import Scoring, ScoringOptions, TestSet
from config.errors import InputError
from config.files import atomic_path
from detectors.weights import load_weights
from evaluation.measurement import Measurement, measure
from evaluation.metrics import Metrics, binary_metrics, group_scores
from evaluation.render import to_rich
from evaluation.scores import ScoreRecord, read_scores
from evaluation.scoring import Scored
from training.checkpoint import RunFolder
from training.trainer import Selection


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One test set's result: where the scores are, and the metrics and intervals computed from them."""

    dataset: str
    scores: Path
    record: ScoreRecord
    measured: Measurement

    @property
    def metrics(self) -> Metrics:
        """The metrics without their intervals."""
        return self.measured.metrics


def evaluate_weights(
    weights: Path,
    test_sets: Sequence[str],
    options: ScoringOptions,
    *,
    split: str = "test",
    threshold_on: Sequence[str] = (),
    perturb: Sequence[str] = (),
) -> list[Evaluated]:
    """Score test sets and show their metrics.

    Args:
        weights: a run folder, or a weights file.
        test_sets: preprocessed data sets.
        options: how they are scored.
        split: which split to score.
        threshold_on: data sets, usually those trained on, whose val splits are scored as well, first, to choose the
            thresholds of TPR and FPR on.
        perturb: perturbation suites under which the test sets are scored afterwards (benchmark.robustness).

    Returns:
        A result for each test set; in a process that does not lead none.

    Raises:
        InputError: something is missing or does not fit, or the protocol needs weights of all epochs and they were not
            kept.
    """
    protocol = options.protocol
    if protocol.selected_on_test and threshold_on:
        raise InputError("--threshold-on needs one epoch for val and test; with selected_on_test each set has its own")
    if perturb or options.features:
        refuse_epochs_by_set(protocol)
    suites = load_suites(perturb)
    sources, tests = [TestSet(name, "val", True) for name in threshold_on], [TestSet(name, split) for name in test_sets]
    scoring = Scoring.prepare(weights, [*sources, *tests], suites, options)
    results = []
    for test in scoring.rows:
        scores, started = scores_path(scoring.folder, test.dataset, test.split), time.monotonic()
        if protocol.selected_on_test:
            chosen = _score_best_epoch(scoring, RunFolder(weights).epochs(), test, scores)
        else:
            chosen = Chosen(scoring.trained.weights, scoring.write(test, scores))
        if not options.group.leads:
            continue
        record = scoring.record(test, scores, chosen.counts, started, weights=chosen.weights, note=chosen.note)
        thresholds = thresholds_beside(scores, record, () if test.is_source else threshold_on)
        measured = measure(protocol.view(record.with_rule(read_scores(scores))), thresholds)
        measured.write(scores.with_name(METRICS))
        results += [] if test.is_source else [Evaluated(test.dataset, scores, record, measured)]
    if options.show:
        show_results(results, options.console)
    score_suites(scoring, tests, suites, threshold_on)
    return results


@dataclass(frozen=True, slots=True)
class Chosen:
    """The weights whose scores are a test set's, the counts, and what a reader must know of the choice."""

    weights: Path
    counts: Scored
    note: str = ""


def _score_best_epoch(scoring: Scoring, epochs: Sequence[tuple[int, Path]], test: TestSet, out: Path) -> Chosen:
    """Score a test set with the weights of each epoch and keep the best, as DeepfakeBench does on its test sets.

    The tables of all epochs stay beside `out`.

    Raises:
        InputError: no weights of epochs were kept.
    """
    if not epochs:
        raise InputError("selected_on_test needs the weights of every epoch: train with --keep-epochs")
    metric = scoring.trained.config.metric_scoring
    best = Selection(metric)
    chosen: Chosen | None = None
    for epoch, weights in epochs:
        table = out.with_name(f"epoch_{epoch + 1:03}.parquet")
        load_weights(scoring.trained.detector, weights)
        counts = scoring.write(test, table, f"{out.parent.name}, epoch {epoch + 1}")
        if not scoring.options.group.leads:
            continue
        frames = group_scores(scoring.options.protocol.view(read_scores(table)))
        value = getattr(binary_metrics(frames.frame_labels, frames.frame_scores), metric)
        if best.offer(epoch, value) or chosen is None:
            note = f"epoch {epoch + 1} of {len(epochs)}, chosen by its frame {metric} on this test set itself"
            chosen = Chosen(weights, counts, note)
            with atomic_path(out) as scratch:
                shutil.copyfile(table, scratch)
    return chosen or Chosen(weights, counts)


def show_results(results: Sequence[Evaluated], console: Console) -> None:
    """Print the metrics of some test sets, and by manipulation where a set has several; nothing if there are none."""
    if not results:
        return
    notes = sorted({note for result in results for note in result.record.notes})
    measurements = [(result.dataset, result.measured) for result in results]
    console.print(to_rich(summary_table(measurements, notes)))
    console.print(to_rich(calibration_table(measurements)))
    for result in results:
        by_manipulation = manipulation_table(result.scores)
        if len(by_manipulation.rows) > 1:
            console.print(to_rich(by_manipulation))
