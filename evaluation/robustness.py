"""Metrics under perturbation: of each kind and level, over its draws, from one score table."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import pandas as pd

from config.errors import InputError
from config.files import write_text
from config.perturbation import CLEAN
from evaluation.metrics import METRICS, Metrics, Thresholds, evaluate_scores
from evaluation.perturbed_distance import LevelDistance, PerturbedDistances

DISTANCES = ("mpd", "relative_mpd")
"""What is measured of features, for which a feature file is needed."""

AUCS = ("frame_auc", "video_auc")


@dataclass(frozen=True, slots=True)
class Condition:
    """One level of a perturbation, or the clean crops, and the metrics of each of its draws.

    Attributes:
        perturbation: its name; `config.perturbation.CLEAN` for the clean crops.
        level: from 1 on; 0 for the clean crops.
        metrics: of each draw; of what draws nothing there is one.
    """

    perturbation: str
    level: int
    metrics: tuple[Metrics, ...]

    @property
    def draws(self) -> int:
        """How often it was drawn."""
        return len(self.metrics)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was changed."""
        return self.perturbation == CLEAN

    def values(self, metric: str) -> list[float] | None:
        """A metric of each draw; None if one has none."""
        found = [value for of_draw in self.metrics if (value := getattr(of_draw, metric)) is not None]
        return found if len(found) == self.draws else None

    def mean(self, metric: str) -> float | None:
        """Mean of a metric over the draws; None if one has none."""
        values = self.values(metric)
        return fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """Sample standard deviation of a metric over the draws (n - 1); None for one draw."""
        values = self.values(metric)
        return stdev(values) if values and len(values) > 1 else None


def conditions(scores: pd.DataFrame, thresholds: Thresholds | None = None) -> tuple[Condition, ...]:
    """The clean crops and each perturbation's levels, in the order of the table, the clean ones first.

    Args:
        scores: score table as for `evaluation.metrics.evaluate_scores`, but with several perturbations, levels and
            draws, each of all samples.
        thresholds: as for `evaluate_scores`.

    Raises:
        InputError: there are no clean rows, or as for `evaluate_scores`.
    """
    made: dict[tuple[str, int], list[Metrics]] = {(CLEAN, 0): []}
    for _, rows in scores.groupby(["perturbation", "level", "draw"], sort=False, observed=True):
        first = rows.iloc[0]
        made.setdefault((str(first["perturbation"]), int(first["level"])), []).append(evaluate_scores(rows, thresholds))
    if not made[CLEAN, 0]:
        raise InputError("the scores hold no clean crops (perturbation 'none'), which the others are compared with")
    return tuple(Condition(perturbation, level, tuple(metrics)) for (perturbation, level), metrics in made.items())


def reduction(clean: float | None, value: float | None) -> float | None:
    """(value - clean) / clean, negative where something was lost: R_AUC of FIA-USA (NeurIPS 2025, Fig. 3).

    None if one of the two is, or if the clean value is 0.
    """
    return None if not clean or value is None else (value - clean) / clean


@dataclass(frozen=True, slots=True)
class Robustness:
    """A test set under a suite. It follows from scores and features alone, so that it can always be made again.

    Attributes:
        conditions: the clean crops first.
        distances: how far features are moved; None without a feature file.
    """

    conditions: tuple[Condition, ...]
    distances: PerturbedDistances | None = None

    def value(self, condition: Condition, metric: str, *, relative: bool = False) -> float | None:
        """What a condition has of a metric, the mean over its draws; None if there is nothing.

        Args:
            condition: one of `conditions`.
            metric: a field of Metrics such as frame_auc, or one of DISTANCES.
            relative: the `reduction` from the clean value instead.
        """
        if metric in DISTANCES:
            level = self._distance(condition)
            return None if level is None else float(getattr(level, metric))
        mean = condition.mean(metric)
        return reduction(self.conditions[0].mean(metric), mean) if relative else mean

    def deviation(self, condition: Condition, metric: str, *, relative: bool = False) -> float | None:
        """The deviation over draws of what `value` gives, with the clean value held fixed; arguments likewise."""
        if metric in DISTANCES:
            level = self._distance(condition)
            if level is None:
                return None
            return level.deviation if metric == "mpd" else level.relative_deviation
        found, clean = condition.deviation(metric), self.conditions[0].mean(metric)
        if not relative or found is None:
            return found
        return found / clean if clean else None

    def write(self, path: Path) -> None:
        """Write the means and deviations of everything as JSON.

        Raises:
            InputError: the file cannot be written.
        """
        moved = self.distances
        about = {
            "conditions": [self._named(condition) for condition in self.conditions],
            "distances": moved
            and {"dimension": moved.dimension, "n_constant": moved.n_constant, "n_samples": moved.n_samples},
        }
        write_text(path, json.dumps(about, indent=2) + "\n")

    def _named(self, condition: Condition) -> Mapping[str, object]:
        names = [*METRICS, *(DISTANCES if self.distances and not condition.is_clean else ())]
        means = {name: self.value(condition, name) for name in names}
        deviations = {name: found for name in names if (found := self.deviation(condition, name)) is not None}
        reductions = {name: found for name in AUCS if (found := self.value(condition, name, relative=True)) is not None}
        return {
            "perturbation": condition.perturbation,
            "level": condition.level,
            "draws": condition.draws,
            "metrics": means,
            "deviations": deviations,
            "reductions": reductions,
        }

    def _distance(self, condition: Condition) -> LevelDistance | None:
        about = (condition.perturbation, condition.level)
        levels = self.distances.levels if self.distances else ()
        return next((level for level in levels if (level.perturbation, level.level) == about), None)
