"""Schemas of the figures that a suite draws of its cells. A kind is a class here and a function that draws it.

The functions are in benchmark.suites.figures.
"""

from typing import Annotated, Literal

from pydantic import Field

from config.base import Schema
from config.test_sets import OnTestSets


class SuiteFigure(Schema):
    """A figure of a suite.

    Attributes:
        kind: what is drawn.
        name: of its files, after that of the suite; by default the kind.
        rows: names of the rows that are shown; by default all of the suite.
    """

    kind: str
    name: str = Field("", pattern=r"^[\w-]*$")
    rows: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of its files."""
        return self.name or self.kind

    def shows(self, row: str) -> bool:
        """Whether a row is shown."""
        return not self.rows or row in self.rows


class BarsFigure(SuiteFigure):
    """Bars of a metric: a group for each of the suite's unperturbed columns of it, a bar for each row.

    Attributes:
        metric: of some columns.
        title: heading.
    """

    kind: Literal["bars"] = "bars"
    metric: str = "frame_auc"
    title: str = ""


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


class EmbedFigure(SuiteFigure, OnTestSets):
    """Features of the clean crops in a plane, as `assay explain embed` draws it.

    Attributes:
        most: faces of each panel.
        seed: of the choice of faces and of t-SNE.
    """

    kind: Literal["embed"] = "embed"
    perturb: None = None
    most: int = Field(1000, ge=1)
    seed: int = Field(0, ge=0)

    @property
    def needs_features(self) -> bool:
        """Always."""
        return True


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
    """

    kind: Literal["cam"] = "cam"
    per_class: int = Field(2, ge=1)


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
    BarsFigure | RobustnessFigure | DistancesFigure | ConfidenceFigure | EmbedFigure | CamFigure | OrganisationFigure,
    Field(discriminator="kind"),
]
