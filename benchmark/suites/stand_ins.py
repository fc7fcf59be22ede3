"""A suite on the demo's data: its data sets mapped onto the demo's, its detectors with the demo's small network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from benchmark.demo.light import lightened
from benchmark.describe import whole_of
from config.base import Schema
from config.figure import FacesFigure
from config.load import load_config
from config.row import SuiteRow
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from config.test_sets import OnTestSets

S = TypeVar("S", bound=Schema)
SOURCE, OTHER = "DemoFF", "DemoX"


def on_the_demo(suite: SuiteConfig, data: Path, seed: int) -> SuiteConfig:
    """The suite with stand-ins: DemoFF for what its detectors are trained on, DemoX for every other test set.

    Headings and names of rows stay; footnotes say what stands in for what. A detector gets the baseline's network and
    about as many images as the baseline (benchmark.demo.light).

    Args:
        suite: as it stands.
        data: folder of the demo's stores and manifests, which tell how many epochs give as many images.
        seed: of training, if the suite names none.
    """
    sources = {_whole(name) for row in suite.rows for name in _trained_on(row, suite)}
    stand_in = {name: SOURCE if _whole(name) in {*sources, SOURCE} else OTHER for name in suite.tests}
    notes = []
    for stand in (SOURCE, OTHER):
        replaced = sorted(name for name, by in stand_in.items() if by == stand and name != stand)
        notes += [f"{stand} in place of {', '.join(replaced)}"] if replaced else []
    return suite.model_copy(
        update={
            "train": (SOURCE,),
            "threshold_on": (SOURCE,) if suite.threshold_on else (),
            "rows": tuple(_light(row, data, seed, suite.profile) for row in suite.rows),
            "columns": tuple(_on(group, stand_in) for group in suite.columns),
            "figures": tuple(_on(figure, stand_in) for figure in suite.figures),
            "footnotes": (*suite.footnotes, *notes),
        }
    )


def _on(asked: S, stand_in: Mapping[str, str]) -> S:
    """Columns or a figure, on other test sets; headings stay."""
    if isinstance(asked, OnTestSets):
        return asked.model_copy(update={"test": {heading: stand_in[name] for heading, name in asked.test.items()}})
    return asked.model_copy(update={"test": stand_in[asked.test]}) if isinstance(asked, FacesFigure) else asked


def _light(row: SuiteRow, data: Path, seed: int, profile: str) -> SuiteRow:
    light = lightened(row.detector, [SOURCE], seed, row.set)
    return row.model_copy(update={"set": (*light.overrides, f"nEpochs={light.epochs(data, profile)}")})


def _trained_on(row: SuiteRow, suite: SuiteConfig) -> Sequence[str]:
    return load_config(DetectorConfig, row.detector, row.overrides(suite.train)).train_dataset


def _whole(name: str) -> str:
    """The data set that a name is, or is a part of."""
    return whole_of(name) or name
