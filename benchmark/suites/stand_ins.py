"""A suite on the demo's data: its data sets mapped onto the demo's, its detectors with the demo's small network."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.demo.light import lightened
from benchmark.describe import whole_of
from config.load import load_config
from config.schema import DetectorConfig
from config.suite import SuiteConfig, SuiteRow

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
    stand_in = {
        name: SOURCE if _whole(name) in {*sources, SOURCE} else OTHER
        for columns in suite.columns
        for name in columns.test.values()
    }
    columns = [
        group.model_copy(update={"test": {heading: stand_in[name] for heading, name in group.test.items()}})
        for group in suite.columns
    ]
    notes = []
    for stand in (SOURCE, OTHER):
        replaced = sorted(name for name, by in stand_in.items() if by == stand and name != stand)
        notes += [f"{stand} in place of {', '.join(replaced)}"] if replaced else []
    return suite.model_copy(
        update={
            "train": (SOURCE,),
            "threshold_on": (SOURCE,) if suite.threshold_on else (),
            "rows": tuple(_light(row, data, seed, suite.profile) for row in suite.rows),
            "columns": tuple(columns),
            "footnotes": (*suite.footnotes, *notes),
        }
    )


def _light(row: SuiteRow, data: Path, seed: int, profile: str) -> SuiteRow:
    light = lightened(row.detector, [SOURCE], seed, row.set)
    return row.model_copy(update={"set": (*light.overrides, f"nEpochs={light.epochs(data, profile)}")})


def _trained_on(row: SuiteRow, suite: SuiteConfig) -> Sequence[str]:
    return load_config(DetectorConfig, row.detector, row.overrides(suite.train)).train_dataset


def _whole(name: str) -> str:
    """The data set that a name is, or is a part of."""
    return whole_of(name) or name
