"""Detectors for two CPU cores: with the baseline's small network, for about as many images as the baseline is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.train import images_of_an_epoch, training_faces
from config.assignment import assignment
from config.errors import InputError
from config.load import YAML, load_config
from config.schema import DetectorConfig
from detectors import DETECTOR
from training import RECIPE

BASELINE = "efficientnet_lite0"
EPOCHS = 4
"""Of the baseline; what others have time for is counted in images."""

_TAKEN = (
    "backbone_name",
    "backbone_config",
    "pretrained",
    "resolution",
    "mean",
    "std",
    "compression",
    "optimizer",
    "precision",
    "train_batchSize",
    "test_batchSize",
)


@dataclass(frozen=True, slots=True)
class Light:
    """A detector as the demo trains it.

    Attributes:
        name: a shipped detector, one of its variants, or a YAML file.
        overrides: assignments to its configuration, all but the number of epochs.
        config: what comes of them.
    """

    name: str
    overrides: tuple[str, ...]
    config: DetectorConfig

    @property
    def folder(self) -> str:
        """The name of its run's folder."""
        path = Path(self.name)
        return path.stem if path.suffix in YAML else self.name.replace("/", "_")

    def images(self, data: Path, profile: str = "dfb") -> int:
        """How many images an epoch shows."""
        return images_of_an_epoch(training_faces(self.config, data, profile), self.config)

    def epochs(self, data: Path, profile: str = "dfb") -> int:
        """In how many epochs it is shown about as many images as the baseline in its own, at least one.

        Args:
            data: folder of stores and manifests.
            profile: preprocessing profile.
        """
        baseline = lightened(BASELINE, self.config.train_dataset, self.config.manualSeed)
        return max(1, round(EPOCHS * baseline.images(data, profile) / self.images(data, profile)))


def lightened(name: str, train_sets: Sequence[str], seed: int, overrides: Sequence[str] = ()) -> Light:
    """A detector with the baseline's network, input, optimiser and batch sizes; all else is its own.

    A method may say what else makes it cheap (`AbstractDetector.light`). The batch becomes a little smaller where a
    sample of the detector's batch recipe has a number of images that does not divide it.

    Args:
        name: as for `Light`.
        train_sets: what it is trained on.
        seed: of its training.
        overrides: assignments to its configuration, which what is taken from the baseline goes over.

    Raises:
        InputError: no such detector or batch recipe.
    """
    taken = load_config(DetectorConfig, BASELINE).model_dump(mode="json", include=set(_TAKEN))
    own = load_config(DetectorConfig, name, overrides)
    taken["backbone_config"]["inc"] = own.backbone_config.inc  # what a method makes of the image is its own
    members = RECIPE[own.dataset_type].members
    values = taken | {"manualSeed": seed, "train_dataset": list(train_sets)}
    assigned = (*overrides, *(assignment(key, value) for key, value in values.items()))
    assigned = (*assigned, *DETECTOR[own.model_name].light)
    size = load_config(DetectorConfig, name, assigned).train_batchSize
    assigned = (*assigned, f"train_batchSize={size - size % members}")
    return Light(name, assigned, load_config(DetectorConfig, name, assigned))


def lightened_all(names: Sequence[str], train_sets: Sequence[str], seed: int) -> list[Light]:
    """Several detectors, each once; arguments and errors as for `lightened`.

    Raises:
        InputError: two would be trained in the same folder.
    """
    found: dict[str, Light] = {}
    for name in dict.fromkeys(names):
        light = lightened(name, train_sets, seed)
        other = found.setdefault(light.folder, light)
        if other is not light:
            raise InputError(
                f"--detectors: the runs of {other.name} and {name} would have the same name; rename a file"
            )
    return list(found.values())
