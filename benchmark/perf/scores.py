"""From scores to numbers: all metrics of a large score table, and the bootstrap over its videos."""

import numpy as np
import pandas as pd

from benchmark.perf.stage import Scale, Stage, medians, timed
from config.perturbation import CLEAN
from evaluation.bootstrap import bootstrap
from evaluation.metrics import METRICS, choose_thresholds, evaluate_scores

FRAMES_OF_A_VIDEO = 32


def measure_metrics(scale: Scale) -> list[Stage]:
    """Metrics and bootstrap of random scores, with thresholds."""
    scores = _random_scores(scale.scores)
    thresholds = choose_thresholds(scores.assign(split="val"))
    count, values = len(scores), scores["score"].to_numpy()
    videos = np.random.default_rng(0).permutation(np.arange(count) // FRAMES_OF_A_VIDEO)
    drawn = np.ones(videos.max() + 1)
    found = medians(
        {
            "metrics": timed(lambda _: evaluate_scores(scores, thresholds), 1),
            "sort": timed(lambda _: np.argsort(values, kind="stable"), 1),
            "bootstrap": timed(
                lambda number: bootstrap(scores, METRICS, thresholds, resamples=scale.resamples, seed=number),
                scale.resamples,
            ),
            "sums": timed(lambda _: [np.cumsum(drawn[videos]) for _ in range(scale.resamples)], scale.resamples),
        },
        scale,
    )
    on = f"{count:,} frames"
    sums = "how often each frame is drawn, summed up once in another order"
    return [
        Stage("all metrics", on, "tables", 1, found["metrics"], "one sort of the scores", found["sort"]),
        Stage("bootstrap", on, "resamples", scale.resamples, found["bootstrap"], sums, found["sums"]),
    ]


def _random_scores(frames: int) -> pd.DataFrame:
    """A score table of equally many real and fake videos whose scores overlap."""
    videos = max(2, frames // FRAMES_OF_A_VIDEO)
    number = np.repeat(np.arange(videos), FRAMES_OF_A_VIDEO)
    label = number % 2
    logits = np.random.default_rng(0).normal(2.0 * label - 1.0, 1.0)
    constant = {"dataset": "random", "split": "test", "compression": "", "class_name": "", "method": ""}
    return pd.DataFrame(
        constant
        | {
            "video_id": pd.Series([f"video {i}" for i in number], dtype="category"),
            "frame": np.tile(np.arange(FRAMES_OF_A_VIDEO), videos),
            "face": 0,
            "label": label,
            "perturbation": CLEAN,
            "level": 0,
            "draw": 0,
            "score": 1 / (1 + np.exp(-logits)),
        }
    )
