"""Metrics under perturbation: of each kind and level, over its draws, from one score table."""

from dataclasses import dataclass
from statistics import fmean, stdev

import pandas as pd

from config.errors import InputError
from config.perturbation import CLEAN
from evaluation.metrics import Metrics, Thresholds, evaluate_scores


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
