"""Who is compared with whom: the test sets that a ranking is over, and the runs that can be ranked on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from benchmark.footage import shared_with
from benchmark.leaderboard.board import Figure, Selection, Standing, Training


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """A run with its figures, before it is compared with others."""

    name: str
    training: Training
    figures: Mapping[str, Figure]

    def has(self, test_set: str) -> bool:
        """Whether it has a value on a test set."""
        return test_set in self.figures and self.figures[test_set].value is not None


def measurable_sets(runs: Sequence[MeasuredRun], test_sets: Sequence[str]) -> tuple[str, ...]:
    """The test sets on which some run has a value; one of a single class has none for anybody."""
    return tuple(name for name in test_sets if any(run.has(name) for run in runs))


def sets_to_rank_on(runs: Sequence[MeasuredRun], measurable: Sequence[str]) -> tuple[str, ...]:
    """The test sets that are foreign to what most runs were trained on.

    Which sets a run was scored on plays no part, so that a run that leaves out a hard one is not ranked, instead of
    making the ranking easier. Between equally many runs the more test sets decide, then their names.
    """
    eligible = [run for run in runs if not _not_comparable(run.training)]
    foreign = Counter(tuple(name for name in measurable if not _contaminated(run, [name])) for run in eligible)
    return min(foreign, key=lambda sets: (-foreign[sets], -len(sets), sets), default=())


def ranked(
    runs: Sequence[MeasuredRun], measurable: Sequence[str], ranked_on: Sequence[str], *, higher: bool
) -> list[Standing]:
    """The rows of a leaderboard: ranked ones by rank, then the others by name.

    Equal means share a rank, and the next rank is left out.

    Args:
        runs: all of them.
        measurable: from `measurable_sets`.
        ranked_on: from `sets_to_rank_on`.
        higher: whether a higher value is better.
    """
    reasons = {run.name: _why_unranked(run, ranked_on) for run in runs}
    means = {run.name: _mean(run, ranked_on) for run in runs}
    compared = [mean for name, mean in means.items() if mean is not None and not reasons[name]]
    rows = []
    for run in runs:
        mean, unranked = means[run.name], reasons[run.name]
        better = sum(other > mean if higher else other < mean for other in compared) if mean is not None else 0
        rows.append(
            Standing(
                name=run.name,
                training=run.training,
                figures=tuple(run.figures[name] for name in sorted(run.figures)),
                contamination=_contaminated(run, measurable),
                covered=sum(map(run.has, measurable)),
                mean=mean,
                rank=None if unranked else 1 + better,
                unranked=unranked,
            )
        )
    return sorted(rows, key=lambda row: (row.rank is None, row.rank or 0, row.name))


def _contaminated(run: MeasuredRun, test_sets: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Those of some test sets that share videos with what a run was trained on, and with which of it."""
    shared = {name: shared_with(name, run.training.sets or ()) for name in test_sets}
    return {name: by for name, by in shared.items() if by}


def _not_comparable(training: Training) -> str:
    """Why no run of this training is ranked, in words; empty if it can be."""
    if training.selection is Selection.TEST:
        return "its epochs were chosen on the test sets themselves"
    if training.sets is None:
        return "what it was trained on is unknown"
    return ""


def _why_unranked(run: MeasuredRun, ranked_on: Sequence[str]) -> str:
    if reason := _not_comparable(run.training):
        return reason
    if not ranked_on:
        return "no test set is foreign to what it was trained on"
    if shared := _contaminated(run, ranked_on):
        return f"not foreign to its training: {', '.join(shared)}"
    missing = [name for name in ranked_on if not run.has(name)]
    return f"no value on {', '.join(missing)}" if missing else ""


def _mean(run: MeasuredRun, test_sets: Sequence[str]) -> float | None:
    """The mean over all of some test sets; None if there are none, one has no value, or one is not foreign."""
    values = [run.figures[name].value for name in test_sets if run.has(name)]
    present = [value for value in values if value is not None]
    if not present or len(present) < len(test_sets) or _contaminated(run, test_sets):
        return None
    return fsum(present) / len(present)
