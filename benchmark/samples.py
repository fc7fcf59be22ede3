"""Whether score tables are of the same videos, frames and labels, so that their figures compare."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd


def samples_of(scores: pd.DataFrame) -> pd.DataFrame:
    """What a score table is of, whatever faces were found: each frame of each video once, with its label."""
    return scores[["video_id", "frame", "label"]].drop_duplicates()


def samples_mark(samples: pd.DataFrame) -> str:
    """A hash of samples, whatever their order."""
    return hashlib.sha256(np.sort(pd.util.hash_pandas_object(samples, index=False).to_numpy()).tobytes()).hexdigest()


def other_samples_note(test_set: str, marks: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """A note if rows of a table are of other samples than the first, so that their figures do not compare.

    Args:
        test_set: its name.
        marks: of each run that was scored there, its row and what `samples_mark` gives.
    """
    others = dict.fromkeys(row for row, mark in marks if mark != marks[0][1])
    return (f"{test_set}: of other videos, frames or labels than {marks[0][0]}: {', '.join(others)}",) if others else ()
