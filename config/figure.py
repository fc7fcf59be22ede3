"""Schemas of the figures that a suite draws of its cells. A kind is a class here and a function that draws it.

The functions are in benchmark.suites.figures.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.base import Schema
from config.row import SuiteRow, SweptRow
from config.test_sets import OnTestSets


class SuiteFigure(Schema):
    """A figure of a suite.

    Attributes:
        kind: what is drawn.
        name: of its files, after that of the suite; by default the kind.
        rows: names of the rows that are shown, one with a sweep by the sweep's or its own; by default all of the suite.
    """

    kind: str
    name: str = Field("", pattern=r"^[\w-]*$")
    rows: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of its files."""
        return self.name or self.kind

    @property
    def needs_thresholds(self) -> bool:
        """Whether something in it depends on a threshold that val scores choose."""
        return False

    def shows(self, row: SuiteRow) -> bool:
        """Whether a row is shown."""
        return not self.rows or any(name in self.rows for name in row.names)


class TableFigure(SuiteFigure):
    """A figure of values that the suite's table has: those of the unperturbed columns of a metric.

    Attributes:
        metric: of some columns.
    """

    metric: str = "frame_auc"


class BarsFigure(TableFigure):
    """A group of bars for each column, a bar for each row.

    Attributes:
        title: heading.
    """

    kind: Literal["bars"] = "bars"
    title: str = ""


class SweepFigure(TableFigure):
    """A panel for each column, a curve over the swept values for each sweep.

    `rows` are names of sweeps, by default all; other rows are not shown.
    """

    kind: Literal["sweep"] = "sweep"

    def shows(self, row: SuiteRow) -> bool:
        """Whether a row is shown."""
        return isinstance(row, SweptRow) and super().shows(row)


class RobustnessFigure(SuiteFigure, OnTestSets):
    """A metric by level of each perturbation, as `assay explain robustness` draws it.

    Attributes:
        metric: a metric such as frame_auc, or mpd or relative_mpd.
        relative: the share that it changes by.
    """

    kind: Literal["robustness"] = "robustness"
    perturb: str
    metric: str = "frame_auc"
    relative: bool = False

    @property
    def needs_features(self) -> bool:
        """Whether the metric is a distance of features."""
        return self.metric.endswith("mpd")

    @property
    def needs_thresholds(self) -> bool:
        """Whether the metric is a rate at a threshold."""
        return self.metric.endswith("pct")


class DistancesFigure(SuiteFigure, OnTestSets):
    """How far perturbations move each face's feature, as `assay explain distances` draws it.

    Attributes:
        perturbation: one of the perturbation suite; by default all of it.
        level: of the perturbations.
        most: faces of each panel.
        seed: of the choice of faces and of t-SNE.
    """

    kind: Literal["distances"] = "distances"
    perturb: str
    perturbation: str | None = None
    level: int = Field(1, ge=1)
    most: int = Field(1000, ge=1)
    seed: int = Field(0, ge=0)

    @property
    def needs_features(self) -> bool:
        """Always."""
        return True


class ConfidenceFigure(SuiteFigure, OnTestSets):
    """How scores and logits are spread, as `assay explain confidence` draws it."""

    kind: Literal["confidence"] = "confidence"
    perturb: None = None


class ErrorsFigure(SuiteFigure, OnTestSets):
    """Shares of misclassified reals and fakes at the suite's threshold, as `assay explain errors` draws them.

    Attributes:
        level: of what the shares are.
    """

    kind: Literal["errors"] = "errors"
    perturb: None = None
    level: Literal["frame", "video"] = "frame"

    @property
    def needs_thresholds(self) -> bool:
        """Always."""
        return True


class EmbedFigure(SuiteFigure, OnTestSets):
    """Features of the clean crops in a plane, as `assay explain embed` draws it.

    Attributes:
        mark_errors: ring the reals that are called fake at the suite's threshold.
        most: faces of each panel.
        seed: of the choice of faces and of t-SNE.
    """

    kind: Literal["embed"] = "embed"
    perturb: None = None
    mark_errors: bool = False
    most: int = Field(1000, ge=1)
    seed: int = Field(0, ge=0)

    @property
    def needs_thresholds(self) -> bool:
        """Whether errors are marked."""
        return self.mark_errors

    @property
    def needs_features(self) -> bool:
        """Always."""
        return True


class ExamplesFigure(SuiteFigure, OnTestSets):
    """Faces of one test set from low to high scores, as `assay explain examples` draws it.

    Attributes:
        count: reals, and as many fakes.
        misjudged: only those that the first row misjudges at the suite's threshold.
        seed: of the choice of faces.
    """

    kind: Literal["examples"] = "examples"
    perturb: None = None
    count: int = Field(3, ge=1)
    misjudged: bool = False
    seed: int = Field(0, ge=0)

    @property
    def needs_thresholds(self) -> bool:
        """Whether misjudged faces are told from others."""
        return self.misjudged

    @model_validator(mode="after")
    def _of_one_test_set(self) -> "ExamplesFigure":
        if len(self.test) > 1:
            raise ValueError(f"test: expected one data set, not {len(self.test)}; each is a figure of its own")
        return self


class FacesFigure(SuiteFigure):
    """A figure for which detectors are run on faces of a test set when it is drawn, so that it needs no scores.

    Attributes:
        test: the test set.
        seed: of the choice of faces.
    """

    test: str
    seed: int = Field(0, ge=0)


class CamFigure(FacesFigure):
    """Where in faces detectors see what speaks for "fake", as `assay explain cam` draws it.

    Attributes:
        per_class: faces of the reals and of each manipulation.
        pseudofake: composition of fakes that are made of the reals shown; by default none are.
    """

    kind: Literal["cam"] = "cam"
    per_class: int = Field(2, ge=1)
    pseudofake: str | None = None


class OrganisationFigure(FacesFigure):
    """Features of reals, SBI and CBI of them, and their deepfakes, as `assay explain organisation` draws it.

    Attributes:
        layout: "auto" draws features of two numbers as they are and others by t-SNE, "tsne" all by t-SNE.
        most: real faces with what is made of each.
        pseudofake: composition of the fakes.
    """

    kind: Literal["organisation"] = "organisation"
    layout: Literal["auto", "tsne"] = "auto"
    most: int = Field(250, ge=1)
    pseudofake: str = "sbi"


AnyFigure = Annotated[
    BarsFigure
    | SweepFigure
    | RobustnessFigure
    | DistancesFigure
    | ConfidenceFigure
    | ErrorsFigure
    | EmbedFigure
    | ExamplesFigure
    | CamFigure
    | OrganisationFigure,
    Field(discriminator="kind"),
]
