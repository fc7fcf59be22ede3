"""Which data set a name, a YAML file or a CSV on the command line means."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from config.compression import without_level
from config.errors import InputError, nearest, unknown
from config.load import config_names, load_config
from config.schema import DatasetConfig


def describe(dataset: str) -> DatasetConfig:
    """The description of a data set: a shipped one, a YAML file's, or that of a CSV with the columns path and label.

    Raises:
        InputError: there is none of that name; a part of a data set is not made by itself.
    """
    given = Path(dataset)
    if given.suffix.lower() == ".csv":
        if not given.is_file():
            raise InputError(f"no such list of media: {given}")
        return DatasetConfig(
            name=given.stem, title=f"media of {given.name}", layout="csv", listing=str(given.resolve())
        )
    names = config_names(DatasetConfig)
    if dataset not in names and given.suffix not in {".yaml", ".yml"}:
        owners = _owner_of_parts()
        if dataset in owners:
            whole = owners[dataset]
            raise InputError(
                f"{dataset} is a part of {whole}: preprocess that, and {dataset} can be trained and tested on"
            )
        known = [*names, *owners]
        if nearest(dataset, known):
            raise unknown("data set", dataset, known)
    return load_config(DatasetConfig, dataset)


def expected_faces(name: str, split: str, frames: int, labels: Collection[int] = (0, 1)) -> int | None:
    """How many faces a split should give, by the card of a shipped data set, one in each sampled frame.

    Args:
        name: a data set, or a part of one; at a level of compression or not.
        split: train, val or test.
        frames: of each video.
        labels: only of real (0) or fake (1) media.

    Returns:
        The number; None if the card does not say.
    """
    owner = whole_of(name) or name
    if owner not in _shipped():
        return None
    config = _shipped()[owner]
    chosen = {entry.class_name for entry in config.classes if entry.label in labels}
    part, _ = without_level(name)
    if part in config.parts:
        chosen &= set(config.parts[part])
    if not chosen & {count.class_name for count in config.card.expected}:
        return None
    media = sum(count.media for count in config.card.expected if count.class_name in chosen and count.split == split)
    return media if config.stills else media * frames


def whole_of(part: str) -> str | None:
    """The shipped data set that has a part of this name; None if there is none, or the name is a data set's own.

    A data set or a part at a level of compression (FaceForensics++_c40) is a part as well.
    """
    known, owners = _shipped(), _owner_of_parts()
    whole, level = without_level(part)
    if level and part not in owners and (whole in known or whole in owners):
        return owners.get(whole, whole)
    return None if part in known else owners.get(part)


@cache  # shipped files do not change, and a plan asks for each of its cells
def _shipped() -> dict[str, DatasetConfig]:
    """The shipped data sets by name."""
    return {name: load_config(DatasetConfig, name) for name in config_names(DatasetConfig)}


@cache
def _owner_of_parts() -> dict[str, str]:
    """The shipped data set of each part that is not called as a data set itself is."""
    owners = ((part, name) for name, config in _shipped().items() for part in config.parts)
    return {part: name for part, name in owners if part not in _shipped()}
