"""How many GPU hours suites take, estimated by counts alone: images of their data sets' cards times operations.

Nothing is measured, and torch is not imported; what a suite costs on the machine at hand, benchmark.suites.cost says.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import Field

from benchmark.suites.columns import on_test_sets
from benchmark.suites.expected import expected_to_score, expected_to_train
from config.base import Positive, Schema
from config.load import load_config, read_yaml, validate
from config.schema import DetectorConfig
from config.suite import SuiteConfig
from preprocessing.views import load_suite

BACKWARD = 2  # a backward pass is taken for two forward ones
GIGA, TERA, SECONDS = 1e9, 1e12, 3600
_FILE = Path(__file__).with_name("gflops.yaml")


class NetworkGflops(Schema):
    """What an image costs a detector with a backbone.

    Attributes:
        detector: registered name.
        backbone: registered name.
        pixels: a side of the image.
        scoring: billions of floating-point operations of a forward pass.
        training: the same with the losses, forward alone.
        passes: over the images of an epoch, forward alone, before the first step.
    """

    detector: str
    backbone: str
    pixels: int
    scoring: Positive
    training: Positive
    passes: int = Field(0, ge=0)


class Gflops(Schema):
    """gflops.yaml: what images cost networks, and at which rate they are assumed to be computed.

    Attributes:
        teraflops: operations a second, in units of 10^12.
        networks: each pair of detector and backbone once.
    """

    teraflops: Positive
    networks: tuple[NetworkGflops, ...]


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations of a cell.

    Attributes:
        training: of a training run.
        scoring: of scoring a test set.
    """

    training: float = 0
    scoring: float = 0


Cells = Mapping[Hashable, Work | None]
"""What decides each cell, as far as the suite does, and its work; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Hours:
    """GPU hours of some cells.

    Attributes:
        training: of training runs.
        scoring: of scoring test sets.
        unknown: how many cells are not among them, as the cards of their data sets do not say how many faces there
            are, or the network is not in the table.
        cells: how many there are in all.
    """

    training: float
    scoring: float
    unknown: int
    cells: int

    def __str__(self) -> str:
        """The sum in hours; with a plus where it lacks cells, a dash where it has none."""
        total = self.training + self.scoring
        if self.unknown == self.cells:
            return "–"
        return f"{total:,.1f}{'+' * bool(self.unknown)}" if total < 10 else f"{total:,.0f}{'+' * bool(self.unknown)}"


@cache
def gflops() -> Gflops:
    """The table that ships with Assay."""
    return validate(Gflops, read_yaml(_FILE), str(_FILE))


def hours(cells: Cells) -> Hours:
    """What some cells take together."""
    known = [work for work in cells.values() if work is not None]
    of_one = TERA * gflops().teraflops * SECONDS
    training, scoring = (sum(work) / of_one for work in ([w.training for w in known], [w.scoring for w in known]))
    return Hours(training, scoring, len(cells) - len(known), len(cells))


def cells_of(suite: SuiteConfig) -> Cells:
    """The cells of a suite with their work, each once; those of several suites are joined by `|`."""
    found: dict[Hashable, Work | None] = {}
    for row in suite.rows:
        tests: list[tuple[str, str, str | None]] = [(name, "val", None) for name in suite.threshold_on]
        tests += [(test, "test", asked.perturb) for asked in on_test_sets(suite, row) for test in asked.test.values()]
        for seed in suite.seeds or (None,):
            config = configured(row.detector, row.overrides(suite.train, seed))
            trained = (config.model_dump_json(), suite.profile, suite.protocol)
            found[trained] = training_work(config)
            found |= {(*trained, *test): scoring_work(config, *test) for test in tests}
    return found


@cache  # suites have rows in common, and a sum is over hundreds of them
def configured(detector: str, overrides: tuple[str, ...]) -> DetectorConfig:
    """What a row trains."""
    return load_config(DetectorConfig, detector, overrides)


def training_work(config: DetectorConfig) -> Work | None:
    """Operations of a training run: forward and backward, under SAM twice, and what it is validated on."""
    network = _network(config)
    shown, validated = expected_to_train(config)
    if network is None or shown is None or validated is None:
        return None
    forward = GIGA * _share(network, config)
    steps = shown * (1 + BACKWARD) * (2 if config.optimizer.type == "sam" else 1)
    looked_at = network.passes * shown / config.nEpochs
    return Work(training=forward * ((steps + looked_at) * network.training + validated * network.scoring))


def scoring_work(config: DetectorConfig, test: str, split: str, perturb: str | None) -> Work | None:
    """Operations of scoring a test set, each face as it is and under all that a perturbation suite has."""
    network, faces = _network(config), expected_to_score(test, split, config)
    if network is None or faces is None:
        return None
    views = len(load_suite(perturb).variants) if perturb else 1
    return Work(scoring=GIGA * _share(network, config) * network.scoring * faces * views)


def _network(config: DetectorConfig) -> NetworkGflops | None:
    pair = (config.model_name, config.backbone_name)
    return next((one for one in gflops().networks if (one.detector, one.backbone) == pair), None)


def _share(network: NetworkGflops, config: DetectorConfig) -> float:
    """How much larger images are than those that were counted."""
    return (config.resolution / network.pixels) ** 2
