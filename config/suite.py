"""Schema of suites: a table as rows of detectors and columns of measurements; config/suites/*.yaml."""

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from config.base import Schema


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


class SuiteColumns(Schema):
    """Columns of one metric: for each test set one, or one for each perturbation and level.

    Attributes:
        metric: a metric such as frame_auc or video_eer; with a perturbation suite also mpd or relative_mpd.
        test: test sets; or the columns' headings with the test set of each.
        title: heading above the columns; by default the metric.
        perturb: a perturbation suite, under which the metric is measured.
        perturbations: only these of it.
        levels: only these levels.
        relative: the share of the clean value that is lost or gained, FIA-USA's R_AUC.
        averages: columns of means at the end: over the columns of these headings, or over all.
    """

    metric: str = "frame_auc"
    test: Annotated[dict[str, str], Field(min_length=1)]
    title: str = ""
    perturb: str | None = None
    perturbations: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    relative: bool = False
    averages: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("test", mode="before")
    @classmethod
    def _named_as_they_are(cls, value: Any) -> Any:
        return {name: name for name in value} if isinstance(value, list) else value

    @model_validator(mode="after")
    def _perturbed_where_it_must_be(self) -> "SuiteColumns":
        given = [key for key in ("perturbations", "levels", "relative") if getattr(self, key)]
        if given and self.perturb is None:
            raise ValueError(f"{given[0]}: expected a perturbation suite in 'perturb' as well")
        if self.needs_features and self.perturb is None:
            raise ValueError(f"metric: {self.metric} is measured under a perturbation suite; name one in 'perturb'")
        return self

    @property
    def needs_features(self) -> bool:
        """Whether the metric is computed from features, not from scores."""
        return self.metric.endswith("mpd")


class SuiteConfig(Schema):
    """A suite: config/suites/NAME.yaml.

    Attributes:
        title: the table's caption.
        source: the table of a paper that it is, if it is one.
        train: what all rows are trained on; by default what each detector's configuration says.
        profile: preprocessing profile.
        protocol: evaluation protocol.
        seeds: each row is trained with each of them, and its figures are means; by default the configuration's seed.
        threshold_on: data sets on whose val split the thresholds of TPR and FPR are chosen.
        rows: the detectors.
        columns: what is measured.
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
    footnotes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _rows_have_names_of_their_own(self) -> "SuiteConfig":
        names = [row.name for row in self.rows]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"rows: two are called '{name}'")
        return self
