"""Which data sets show the same videos: a test set is foreign to a training only if they share none."""

from collections.abc import Sequence
from functools import cache

from benchmark.describe import whole_of
from config.compression import without_level
from config.load import config_names, load_config
from config.schema import DatasetConfig

Footage = frozenset[tuple[str, str]]


def shared_with(test_set: str, training_sets: Sequence[str]) -> tuple[str, ...]:
    """The training sets whose videos a test set shows, or was made from.

    Splits do not count: the test split of a data set that was trained on is no foreign one.

    Args:
        test_set: a data set or a part of one. What no shipped description names has footage of its own.
        training_sets: likewise.
    """
    return tuple(name for name in training_sets if footage(test_set) & footage(name))


@cache  # shipped files do not change
def footage(name: str) -> Footage:
    """The classes, as (data set, class), whose videos a data set or a part of one shows or was made from.

    Args:
        name: of a shipped description or of a part of one; any other name is footage of its own.
    """
    owner = whole_of(name) or name
    if owner not in config_names(DatasetConfig):
        return frozenset({(name, "")})
    config = load_config(DatasetConfig, owner)
    of_part = config.parts.get(without_level(name)[0])
    classes = [entry for entry in config.classes if of_part is None or entry.class_name in of_part]
    own = frozenset((owner, entry.class_name) for entry in classes)
    return own.union(*(footage(source) for entry in classes for source in entry.sources))
