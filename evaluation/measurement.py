"""All metrics of a test set with their intervals, and the file that keeps them beside the scores."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from config.files import write_text
from evaluation.bootstrap import LEVEL, RESAMPLES, bootstrap
from evaluation.metrics import METRICS, Metrics, Thresholds, evaluate_scores
from evaluation.tables import Interval


@dataclass(frozen=True, slots=True)
class Measurement:
    """Metrics of a test set and how sure they are. It follows from scores alone, so that it can always be made again.

    Attributes:
        metrics: the metrics and counts.
        intervals: for each metric that has one its interval, by the metric's name.
        thresholds: where TPR and FPR were measured, chosen on val; or None.
        resamples: of the bootstrap over videos.
        seed: of the bootstrap.
        level: confidence of the intervals.
    """

    metrics: Metrics
    intervals: dict[str, Interval]
    thresholds: Thresholds | None
    resamples: int
    seed: int
    level: float = LEVEL

    def write(self, path: Path) -> None:
        """Write all of it as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        write_text(path, json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")


def measure(
    scores: pd.DataFrame, thresholds: Thresholds | None = None, *, resamples: int = RESAMPLES, seed: int = 0
) -> Measurement:
    """Measure a score table with everything there is.

    Args:
        scores: score table as for `evaluate_scores`.
        thresholds: as for `evaluate_scores`.
        resamples: number of resampled sets.
        seed: of the draws.

    Raises:
        InputError: as for `evaluate_scores`.
    """
    resampled = bootstrap(scores, METRICS, thresholds, resamples=resamples, seed=seed)
    intervals = {name: interval for name in METRICS if (interval := resampled.interval(name))}
    return Measurement(evaluate_scores(scores, thresholds), intervals, thresholds, resamples, seed)
