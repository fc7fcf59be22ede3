"""The leaderboard as data: runs, their figures, what they were trained on and how they rank; also as a file."""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from config.errors import InputError
from config.files import write_text
from evaluation.scores import Environment, ScoreRecord, read_record
from evaluation.tables import Interval

VERSION = 1
"""Of submission files; this Assay reads no other."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


class Selection(StrEnum):
    """On what the epoch was chosen whose weights were scored."""

    SOURCE_VAL = "source val"
    LAST_EPOCH = "last epoch"
    TEST = "test (oracle)"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Training:
    """What is known of a run's training. It is what its record says: scores cannot prove it.

    Attributes:
        sets: the data sets trained on; None if that is unknown.
        declared: whether these are only declared (--trained-on), not recorded.
        selection: on what the epoch was chosen.
        words: how it was chosen, as the run's record says; empty without a record.
        initialisation: what the weights started from; empty without a record.
        train_sha256: hash of the manifest rows trained on; None without a record.
        val_sha256: hash of those that the epoch was chosen on; None if it was the last one, or without a record.
        config: the detector's resolved configuration; None if there is none beside the scores.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    sets: tuple[str, ...] | None
    declared: bool = False
    selection: Selection = Selection.UNKNOWN
    words: str = ""
    initialisation: str = ""
    train_sha256: str | None = None
    val_sha256: str | None = None
    config: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """What a run's score table of one test set says.

    Attributes:
        test_set: its name.
        scores: the score table, a POSIX path below the folder of results.
        sha256: of the score table's bytes.
        record: how it came about.
        value: the metric; None if it has none.
        interval: its 95 % interval; None if it has none, or none was asked for.
        reason: why there is no value, in a word or two; empty if there is one.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    test_set: str
    scores: str
    sha256: str
    record: ScoreRecord
    value: float | None
    interval: Interval | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of the leaderboard.

    Attributes:
        name: what the run is called.
        training: what is known of its training.
        figures: by test set, in the order of these.
        contamination: test sets that are not foreign to it, each with the training sets that share its videos.
        covered: how many of the test sets that can be measured it has a value on.
        mean: over the sets that are ranked on; None if it lacks one or was trained on one.
        rank: 1 is the best; None if it cannot be compared.
        unranked: why it cannot, in words; empty if it has a rank.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: str
    training: Training
    figures: tuple[Figure, ...]
    contamination: dict[str, tuple[str, ...]]
    covered: int
    mean: float | None
    rank: int | None
    unranked: str = ""

    def on(self, test_set: str) -> Figure | None:
        """The figure on a test set; None if the run was not scored there."""
        return next((figure for figure in self.figures if figure.test_set == test_set), None)


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A ranking of runs by the mean of one metric over the test sets that are foreign to what they were trained on.

    Attributes:
        version: of the file's format.
        metric: a field of Metrics, such as frame_auc.
        resamples: of the bootstrap that the intervals come from; 0 if there are none.
        seed: of the bootstrap.
        test_sets: all that some run was scored on.
        measurable: those of them on which some run has a value, that is with both classes.
        ranked_on: those of these that the means are over.
        rows: ranked ones first, by rank, then the others, by name.
        environment: software with which the figures were computed.
        git_commit: of this project.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    version: int
    metric: str
    resamples: int
    seed: int
    test_sets: tuple[str, ...]
    measurable: tuple[str, ...]
    ranked_on: tuple[str, ...]
    rows: tuple[Standing, ...]
    environment: Environment
    git_commit: str | None

    def write(self, path: Path) -> None:
        """Write it as JSON: a submission.

        Raises:
            InputError: the file cannot be written.
        """
        text = json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False, allow_nan=False)
        write_text(path, f"{text}\n")

    @classmethod
    def read(cls, path: Path) -> "Leaderboard":
        """Read a submission back.

        Raises:
            InputError: the file is missing, is not JSON, is of another version, or is not a submission.
        """
        _refuse_other_versions(path)
        return read_record(cls, path, "submission")


def _refuse_other_versions(path: Path) -> None:
    """Another version may have other keys, of which nothing useful could be said."""
    try:
        version = json.loads(path.read_bytes())["version"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return  # read_record says what is wrong
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        raise InputError(
            f"{path}: this Assay reads submissions of version {VERSION}, not {version!r}"
            + ("; a newer Assay wrote it" if newer else "")
        )
