"""Whether a submission's figures, coverage, contamination and ranks follow from its score tables. Imports no torch."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark.leaderboard.board import Figure, Leaderboard, Selection, Standing
from benchmark.leaderboard.measure import Belonging, Method, leaderboard_of
from benchmark.score_tables import rows_of
from config.errors import InputError
from config.files import file_sha256
from evaluation.scores import ScoreRecord
from evaluation.tables import Interval

_CLOSE = 1e-9  # other versions of NumPy may round otherwise


def problems(submission: Path, scores: Path) -> list[str]:
    """All in a submission that its score tables contradict, each in a sentence; nothing if they bear it out.

    Figures are only computed anew if every score table is there and is the one that was submitted.

    Args:
        submission: the file.
        scores: the folder that the paths of its score tables start from.

    Raises:
        InputError: the submission cannot be read, or names a score table outside of the folder.
    """
    claimed = Leaderboard.read(submission)
    figures = [figure for row in claimed.rows for figure in row.figures]
    paths = {figure.scores: _inside(scores, figure.scores, submission) for figure in figures}
    found = [problem for figure in figures for problem in _of_file(figure, paths[figure.scores])]
    found += [f"{submission}: {problem}" for row in claimed.rows for problem in _of_training(row)]
    if found:
        return found
    try:
        anew = _measured_anew(claimed, paths)
    except InputError as error:
        return [f"{submission}: {error}"]
    return [f"{submission}: {difference}" for difference in _differences(claimed, anew)]


def _inside(folder: Path, name: str, submission: Path) -> Path:
    """The path of a score table, which must not leave the folder."""
    try:
        path = folder / name
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, ValueError):
        pass
    raise InputError(f"{submission} names a score table outside of {folder}: {name!r}")


def _of_file(figure: Figure, path: Path) -> Iterator[str]:
    if not path.is_file():
        yield f"{path} is missing"
        return
    digest = file_sha256(path)
    if digest != figure.sha256:
        yield f"{path} is not the score table that was submitted: its sha256 is {digest}, not {figure.sha256}"
    beside = ScoreRecord.beside(path)
    if beside.is_file() and ScoreRecord.read(beside) != figure.record:
        yield f"{beside} says something else than the record in the submission"


def _of_training(row: Standing) -> Iterator[str]:
    """What a row says of its training and itself contradicts."""
    training = row.training
    sets, configured = training.sets or (), (training.config or {}).get("train_dataset")
    if training.train_sha256 and configured is not None and list(sets) != configured:
        yield f"{row.name} is said to be trained on {_words(sets)}, its configuration says {_words(configured)}"
    if training.selection is Selection.SOURCE_VAL and training.val_sha256 is None:
        yield f"{row.name} is said to be chosen on source val, but names no validation rows (val_sha256)"


def _measured_anew(claimed: Leaderboard, paths: dict[str, Path]) -> Leaderboard:
    """The leaderboard that the score tables give."""
    method = Method(claimed.metric, claimed.resamples, claimed.seed)
    belonging, runs = Belonging(claimed.metric), []
    for row in claimed.rows:
        figures = []
        for figure in row.figures:
            path = paths[figure.scores]
            scores = rows_of(path, figure.record)
            belonging.check(path, figure.record, scores)
            figures.append(method.figure(path, figure.scores, figure.record, scores))
        runs.append((row.name, row.training, figures))
    return leaderboard_of(runs, method)


def _differences(claimed: Leaderboard, found: Leaderboard) -> Iterator[str]:
    """A sentence for each part of a leaderboard that is another when it is computed anew."""
    yield from _other_fields("", claimed, found, ("test_sets", "measurable", "ranked_on"))
    rows = {row.name: row for row in found.rows}
    for row in claimed.rows:
        anew = rows[row.name]
        figures = {figure.scores: figure for figure in anew.figures}
        for figure in row.figures:
            where = f"{row.name} on {figure.test_set}: "
            yield from _other_fields(where, figure, figures[figure.scores], ("test_set", "value", "interval", "reason"))
        yield from _other_fields(f"{row.name}: ", row, anew, ("contamination", "covered", "mean", "rank", "unranked"))
        yield from _other_fields(f"{row.name}: ", row.training, anew.training, ("selection",))


def _other_fields(where: str, claimed: Any, found: Any, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        here, there = getattr(claimed, name), getattr(found, name)
        if not _agree(here, there):
            yield f"{where}{name} is {_words(here)}, the score tables give {_words(there)}"


def _agree(claimed: Any, found: Any) -> bool:
    if isinstance(claimed, Interval) and isinstance(found, Interval):
        return _agree(claimed.low, found.low) and _agree(claimed.high, found.high)
    if isinstance(claimed, float) and isinstance(found, float):
        return math.isclose(claimed, found, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return bool(claimed == found)


def _words(value: Any) -> str:
    if isinstance(value, Interval):
        return f"[{value.low}, {value.high}]"
    if isinstance(value, dict):
        return _words([f"{name} ({_words(by)})" for name, by in value.items()])
    if isinstance(value, (tuple, list)):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
