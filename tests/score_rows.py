"""Small score tables for the tests of this room."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from config.perturbation import CLEAN


def score_rows(
    labels: Sequence[int],
    scores: Sequence[float | None],
    videos: Sequence[str] | None = None,
    *,
    dataset: str = "DemoFF",
    class_name: str = "FF-DF",
    method: str = "Deepfakes",
    frames: Sequence[int] | None = None,
    faces: Sequence[int] | None = None,
) -> pd.DataFrame:
    """A score table with a row per given label; a score of None is a frame without a face."""
    n = len(labels)
    missing = np.array([value is None for value in scores], bool)
    return pd.DataFrame(
        {
            "dataset": [dataset] * n,
            "split": ["test"] * n,
            "compression": ["c23"] * n,
            "video_id": list(videos) if videos is not None else [f"v{i}" for i in range(n)],
            "frame": list(frames) if frames is not None else list(range(n)),
            "face": list(faces) if faces is not None else np.where(missing, -1, 0),
            "label": list(labels),
            "class_name": ["FF-real" if label == 0 else class_name for label in labels],
            "method": ["" if label == 0 else method for label in labels],
            "perturbation": [CLEAN] * n,
            "level": [0] * n,
            "draw": [0] * n,
            "score": np.array([np.nan if value is None else value for value in scores], np.float64),
        }
    )
