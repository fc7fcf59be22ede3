"""Schema of what a suite says about the figures that a paper prints of its table; results/published/*.csv."""

from typing import Literal

from pydantic import Field

from config.base import Schema

Level = Literal["frame", "video", "mixed", "unstated"]
"""Of what a published figure is: frames, videos, a mean over both, or of what its source does not say."""


class SuitePublished(Schema):
    """The published table that stands beside a suite's own; rows of it that the suite lacks are cited.

    Attributes:
        source: whose table it is, as `assay published` lists it.
        table: which of its tables.
        rows: rows of the suite with what the table calls them, where it is another name; null for one that it lacks.
        columns: the same of columns: by heading, by "GROUP: HEADING" where several groups have it, or by the heading of
            a group, for a group that the table lacks.
        levels: figures of which levels stand beside those of frames and of videos; by default of the same level.
    """

    source: str
    table: str
    rows: dict[str, str | None] = Field(default_factory=dict)
    columns: dict[str, str | None] = Field(default_factory=dict)
    levels: dict[Literal["frame", "video"], tuple[Level, ...]] = Field(default_factory=dict)

    def beside(self, metric: str) -> tuple[str, tuple[Level, ...]]:
        """A suite's metric as published figures have it: "auc" of "frame_auc", and of which levels they may be."""
        level, _, name = metric.partition("_")
        if level == "video":
            return name, self.levels.get("video", ("video",))
        return name if level == "frame" else metric, self.levels.get("frame", ("frame",))
