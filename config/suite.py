"""Schema of suites: a table as rows of detectors and columns of measurements, and figures; config/suites/*.yaml."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from config.base import Schema
from config.errors import unknown
from config.figure import AnyFigure, FacesFigure, RobustnessFigure, SweepFigure, TableFigure
from config.published import SuitePublished
from config.row import SuiteRow, SweptRow, in_full
from config.test_sets import OnTestSets


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
        rows: the detectors; in the place of one with a sweep are the rows that it stands for.
        columns: what is measured.
        figures: what is drawn of the same cells, or of more.
        published: the table of a paper whose figures stand beside the measured ones.
        footnotes: what a reader must know beside the figures.
    """

    title: str
    source: str = ""
    train: tuple[str, ...] = ()
    profile: str = "dfb"
    protocol: str = "corrected"
    seeds: tuple[int, ...] = ()
    threshold_on: tuple[str, ...] = ()
    rows: Annotated[tuple[SuiteRow, ...], Field(min_length=1), AfterValidator(in_full)]
    columns: Annotated[tuple[SuiteColumns, ...], Field(min_length=1)]
    figures: tuple[AnyFigure, ...] = ()
    published: SuitePublished | None = None
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
        needy = [figure.file for figure in self.figures if figure.needs_thresholds]
        if needy and not self.threshold_on:
            raise ValueError(f"figures: {needy[0]}: name in 'threshold_on' whose val scores choose its threshold")
        return self

    @model_validator(mode="after")
    def _figures_are_of_what_is_there(self) -> "SuiteConfig":
        files = [figure.file for figure in self.figures]
        sweeps = [row.curve for row in self.rows if isinstance(row, SweptRow)]
        names = [name for row in self.rows for name in row.names]
        metrics = {group.metric for group in self.columns if group.perturb is None}
        for figure in self.figures:
            is_sweep = isinstance(figure, SweepFigure)
            if files.count(figure.file) > 1:
                raise ValueError(f"figures: two are called '{figure.file}'; give one of them a name of its own")
            for name in figure.rows:
                if name not in (sweeps if is_sweep else names):
                    kind, known = ("sweep", sweeps) if is_sweep else ("row", names)
                    raise ValueError(f"figures: {figure.file}: {unknown(kind, name, known)}")
            if is_sweep and not sweeps:
                raise ValueError(f"figures: {figure.file}: no row has a 'sweep'")
            if isinstance(figure, TableFigure) and figure.metric not in metrics:
                raise ValueError(f"figures: {figure.file}: {unknown('metric of the columns', figure.metric, metrics)}")
        return self
