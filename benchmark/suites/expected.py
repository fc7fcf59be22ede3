"""How many images a cell is made of, by the cards of its data sets; imports no torch."""

from collections.abc import Collection, Iterable

from benchmark.describe import expected_faces
from config.schema import DetectorConfig
from training.epoch import images_shown


def expected_to_train(config: DetectorConfig) -> tuple[int | None, int | None]:
    """How many images all epochs should train on, and how many they should be validated on.

    Each is None if the data sets' cards do not say, or the batch recipe is a plugin's.
    """
    names, frames, epochs = config.train_dataset, config.frame_num, config.nEpochs
    shown = images_shown(config.dataset_type, lambda label: _expected(names, "train", frames.train, [label]))
    validated = _expected(names, "val", frames.test)
    return shown and epochs * shown, validated and epochs * validated


def expected_to_score(test: str, split: str, config: DetectorConfig) -> int | None:
    """How many faces of a test set's split should be scored; None if its card does not say."""
    return _expected([test], split, config.frame_num.test)


def _expected(names: Iterable[str], split: str, frames: int, labels: Collection[int] = (0, 1)) -> int | None:
    counts = [expected_faces(name, split, frames, labels) for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
