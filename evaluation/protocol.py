"""Evaluation protocols: ours, and DeepfakeBench's three quirks, together or one at a time, for comparison with it."""

from dataclasses import dataclass, fields

import pandas as pd

from config.errors import unknown

CORRECTED, LEGACY = "corrected", "dfb_legacy"
VERSION = 1
"""Scores and metrics of different versions are not comparable."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What an evaluation does as DeepfakeBench does it.

    Attributes:
        merged_names: videos are named by their folder alone, so that the fakes of one pair by four manipulations are
            one video (its metrics/utils.py); its label is that of all of its frames, else real.
        first_frames: where fewer frames are asked for than stored, the first ones, not an even spread (its
            abstract_dataset.py).
        selected_on_test: the epoch with the best metric on the test set itself, for each test set its own
            (its trainer.py); needs the weights of every epoch.
    """

    merged_names: bool = False
    first_frames: bool = False
    selected_on_test: bool = False

    @classmethod
    def parse(cls, text: str) -> "Protocol":
        """A protocol by its name: "corrected", "dfb_legacy", or quirks joined by "+" such as "first_frames".

        Raises:
            InputError: there is no such protocol or quirk.
        """
        quirks = [quirk.name for quirk in fields(cls)]
        if text == CORRECTED:
            return cls()
        if text == LEGACY:
            return cls(**dict.fromkeys(quirks, True))
        for name in text.split("+"):
            if name not in quirks:
                raise unknown("protocol or quirk", name, [CORRECTED, LEGACY, *quirks])
        return cls(**dict.fromkeys(text.split("+"), True))

    @property
    def name(self) -> str:
        """As `parse` takes it and records have it."""
        on = [quirk.name for quirk in fields(self) if getattr(self, quirk.name)]
        if not on:
            return CORRECTED
        return LEGACY if len(on) == len(fields(self)) else "+".join(on)

    def view(self, scores: pd.DataFrame) -> pd.DataFrame:
        """A score table as the protocol's metrics see it: with `merged_names` videos are named in a column `video`."""
        if not self.merged_names:
            return scores
        return scores.assign(video=scores["video_id"].astype(str).str.rpartition("/")[2])


OURS = Protocol()
"""The protocol without quirks."""
