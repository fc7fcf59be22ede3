"""Schema of suites: a table as rows of detectors and columns of measurements, and figures; config/suites/*.yaml."""

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, model_validator

from config.base import Schema
from config.errors import unknown
from config.figure import AnyFigure, BarsFigure, FacesFigure, RobustnessFigure
from config.test_sets import OnTestSets


class SuiteRow(Schema):
    """A row: a detector, trained and measured.

    Attributes:
        name: as the table prints it.
        detector: a name, NAME/VARIANT, or a YAML file.
        set: assignments to its configuration, "key=value" as for `--set`.
    """

    name: str
    detector: str
    set: tuple[str, ...] = ()

    def overrides(self, train: Sequence[str], seed: int | None = None) -> tuple[str, ...]:
        """All assignments to the detector's configuration; the row's own go over those of its suite.

        Args:
            train: what the suite's rows are trained on, if it says so.
            seed: one of the suite's seeds, if it has some.
        """
        trained_on = [f"train_dataset={json.dumps(list(train))}"] if train else []
        return (*trained_on, *self.set, *([] if seed is None else [f"manualSeed={seed}"]))

    def sets(self, key: str) -> bool:
        """Whether it assigns a key."""
        return any(assignment.partition("=")[0].strip() == key for assignment in self.set)


class SuiteColumns(OnTestSets):
    """Columns of one metric: for each test set one, or one for each perturbation and level.

    Attributes:
        metric: a metric such as frame_auc or video_eer; with a perturbation suite also mpd or relative_mpd.
        test: test sets; or the columns' headings with the test set of each.
        title: heading above the columns; by default the metric.
        perturb: a perturbation suite, under which the metric is measured.
        perturbations: only these of it.
        levels: only these levels.
        relative: the share of the clean value that is lost or gained, FIA-USA's R_AUC.
        averages: columns of means at the end: over the columns of these headings, or over all of the group.
    """

    metric: str = "frame_auc"
    title: str = ""
    perturbations: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    relative: bool = False
    averages: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _perturbed_where_it_must_be(self) -> "SuiteColumns":
        given = [key for key in ("perturbations", "levels", "relative") if getattr(self, key)]
        if given and self.perturb is None:
            raise ValueError(f"{given[0]}: expected a perturbation suite in 'perturb' as well")
        if self.needs_features and self.relative:
            raise ValueError("relative: mpd has no clean value; name relative_mpd as the metric instead")
        if self.needs_features and self.perturb is None:
            raise ValueError(f"metric: {self.metric} is measured under a perturbation suite; name one in 'perturb'")
        return self

    @property
    def needs_features(self) -> bool:
        """Whether the metric is a distance of features."""
        return self.metric.endswith("mpd")


class SuiteConfig(Schema):
    """A suite: config/suites/NAME.yaml.

    Attributes:
        title: the table's caption.
        source: the table of a paper that it is, if it is one.
        train: what rows are trained on that do not set `train_dataset`; by default what each configuration says.
        profile: preprocessing profile.
        protocol: evaluation protocol.
        seeds: each row is trained with each of them, and its figures are means; by default the configuration's seed.
        threshold_on: data sets on whose val split the thresholds of TPR and FPR are chosen.
        rows: the detectors.
        columns: what is measured.
        figures: what is drawn of the same cells, or of more.
        footnotes: what a reader must know beside the figures.
    """

    title: str
    source: str = ""
    train: tuple[str, ...] = ()
    profile: str = "dfb"
    protocol: str = "corrected"
    seeds: tuple[int, ...] = ()
    threshold_on: tuple[str, ...] = ()
    rows: Annotated[tuple[SuiteRow, ...], Field(min_length=1)]
    columns: Annotated[tuple[SuiteColumns, ...], Field(min_length=1)]
    figures: tuple[AnyFigure, ...] = ()
    footnotes: tuple[str, ...] = ()

    @property
    def tests(self) -> list[str]:
        """The test sets of all columns and figures, each once."""
        found: list[str] = []
        for asked in (*self.columns, *self.figures):
            found += asked.test.values() if isinstance(asked, OnTestSets) else ()
            found += [asked.test] if isinstance(asked, FacesFigure) else ()
        return list(dict.fromkeys(found))

    @model_validator(mode="after")
    def _rows_have_names_of_their_own(self) -> "SuiteConfig":
        names = [row.name for row in self.rows]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"rows: two are called '{name}'")
        return self

    @model_validator(mode="after")
    def _seeds_are_the_suites_or_the_rows(self) -> "SuiteConfig":
        both = [row.name for row in self.rows if self.seeds and row.sets("manualSeed")]
        if both:
            raise ValueError(f"seeds: row '{both[0]}' sets manualSeed as well; leave out one of them")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: one is given twice")
        return self

    @model_validator(mode="after")
    def _rates_have_thresholds(self) -> "SuiteConfig":
        metrics = [group.metric for group in self.columns]
        metrics += [figure.metric for figure in self.figures if isinstance(figure, RobustnessFigure)]
        rates = [metric for metric in metrics if metric.endswith("pct")]
        if rates and not self.threshold_on:
            raise ValueError(f"{rates[0]} is a rate at a threshold; name in 'threshold_on' whose val scores choose it")
        return self

    @model_validator(mode="after")
    def _figures_are_of_what_is_there(self) -> "SuiteConfig":
        files = [figure.file for figure in self.figures]
        rows = [row.name for row in self.rows]
        metrics = {group.metric for group in self.columns if group.perturb is None}
        for figure in self.figures:
            if files.count(figure.file) > 1:
                raise ValueError(f"figures: two are called '{figure.file}'; give one of them a name of its own")
            for name in figure.rows:
                if name not in rows:
                    raise ValueError(f"figures: {figure.file}: {unknown('row', name, rows)}")
            if isinstance(figure, BarsFigure) and figure.metric not in metrics:
                raise ValueError(f"figures: {figure.file}: {unknown('metric of the columns', figure.metric, metrics)}")
        return self
