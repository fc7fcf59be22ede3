"""In which precision a network scores: fp32, or bf16 on a CPU that is made for it where the scores hardly differ."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from config.errors import unknown
from config.processes import ALONE, Group
from config.schema import DetectorConfig
from detectors.base import AbstractDetector
from evaluation.prediction import predict
from evaluation.scoring import faces_to_score
from preprocessing.samples import FaceSet

BOTH = ("fp32", "bf16")
PROBE = 64
TOLERANCE = 1e-2
BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Choice:
    """A precision, and what a reader of its scores should know of how it was chosen, if anything."""

    precision: str
    note: str = ""


def choose_precision(
    asked: str,
    detector: AbstractDetector,
    rows: pd.DataFrame,
    config: DetectorConfig,
    device: torch.device,
    group: Group = ALONE,
) -> Choice:
    """The precision to score some manifest rows in.

    On a CPU with instructions for bf16, up to 64 faces, evenly spread over the rows, are scored in both; bf16 is taken
    if no score differs by more than 0.01. Everywhere else it is fp32. The same network and rows give the same choice
    on the same kind of machine; of several processes the leading one chooses for all.

    Args:
        asked: "fp32", "bf16", or "auto" for the choice described.
        detector: the detector, weights loaded, on `device`.
        rows: as for `evaluation.scoring.score`.
        config: as for `evaluation.scoring.score`.
        device: where to run.
        group: the processes that will score together.

    Raises:
        InputError: no such precision.
    """
    if asked in BOTH:
        return Choice(asked)
    if asked != "auto":
        raise unknown("precision", asked, [*BOTH, "auto"])
    choice = _probe(detector, rows, config, device) if group.leads and device.type == "cpu" and has_bf16() else None
    return group.follow(choice) or Choice("fp32")


def has_bf16() -> bool:
    """Whether this CPU has instructions for bf16; where torch cannot tell, it has not."""
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(bool(capabilities.get(name)) for name in BF16_INSTRUCTIONS)


def _probe(
    detector: AbstractDetector, rows: pd.DataFrame, config: DetectorConfig, device: torch.device
) -> Choice | None:
    faces = faces_to_score(rows, config)
    if not len(faces):
        return None
    positions = np.unique(np.linspace(0, len(faces) - 1, PROBE).round().astype(np.int64))
    probe = FaceSet(faces.iloc[positions], with_landmark=config.with_landmark)
    exact, rounded = (
        np.concatenate([batch.scores[:, 0] for batch in predict(detector, probe, config, device, precision=precision)])
        for precision in BOTH
    )
    if not len(exact):
        return None
    difference = float(np.abs(exact - rounded).max())
    measured = f"differ by up to {difference:.1e} on {len(exact)} faces"
    if difference <= TOLERANCE:  # not so if a score is NaN
        return Choice("bf16", f"precision: bf16, whose scores {measured} from fp32's")
    return Choice("fp32", f"precision: fp32, since bf16's scores {measured}")
