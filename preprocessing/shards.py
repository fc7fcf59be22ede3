"""Shards: the clips of a data set divided among machines that share nothing but the data folder, and joined again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pandas as pd

from config.errors import InputError
from preprocessing.manifest import join_manifests, manifest_meta, read_manifest
from preprocessing.store import DECISIVE

T = TypeVar("T")
FOLDER = "shards"


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th of `count` shares of a data set; indices count from 1.

    A shard has a store and a manifest of its own, in shards/DATASET beside the data set's.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """A shard from "2/8".

        Raises:
            InputError: not two numbers, or the first is not between 1 and the second.
        """
        index, slash, count = text.partition("/")
        if not slash or not index.isdecimal() or not count.isdecimal() or not 1 <= int(index) <= int(count):
            raise InputError(f"--shard {text}: expected i/n with i from 1 to n, such as 2/8")
        return cls(int(index), int(count))

    @property
    def name(self) -> str:
        """As in file names: "2-of-8"."""
        return f"{self.index}-of-{self.count}"

    def of(self, items: Sequence[T]) -> list[T]:
        """Every `count`-th item, so that all shards have as many of each kind."""
        return list(items[self.index - 1 :: self.count])

    def manifest(self, whole: Path) -> Path:
        """The shard's manifest, from the data set's."""
        return whole.parent / FOLDER / whole.stem / f"{self.name}.parquet"

    def store(self, dataset: str) -> str:
        """The shard's FaceStore, relative to the data set's manifest."""
        return f"{FOLDER}/{dataset}/{self.name}_lmdb"


def merge_shards(whole: Path) -> pd.DataFrame:
    """Join the manifests of all shards of a data set; the stores stay where they are, named in the column `store`.

    Args:
        whole: the data set's manifest, to be written.

    Returns:
        Its rows.

    Raises:
        InputError: there is no shard, one is missing, they were made in different ways, or two hold the same clip.
    """
    folder = whole.parent / FOLDER / whole.stem
    endings = {path.stem.rpartition("-of-")[2] for path in folder.glob("*-of-*.parquet")}
    counts = {int(ending) for ending in endings if ending.isdecimal()}
    if not counts:
        raise InputError(f"no shards of {whole.stem} in {folder}; make them with 'assay preprocess --shard i/n'")
    if len(counts) > 1:
        raise InputError(f"{folder} holds shards of different divisions ({sorted(counts)}); delete all but one")
    count = counts.pop()
    shards = [Shard(index, count) for index in range(1, count + 1)]
    missing = [shard.name for shard in shards if not shard.manifest(whole).is_file()]
    if missing:
        raise InputError(f"{folder}: {len(missing)} of {count} shards are not finished, such as {missing[0]}")
    paths = [shard.manifest(whole) for shard in shards]
    meta = manifest_meta(paths[0])
    for path in paths[1:]:
        other = manifest_meta(path)
        for entry in DECISIVE:
            if meta.get(entry) != other.get(entry):
                raise InputError(f"{path} was made with another {entry.replace('_', ' ')} than {paths[0].name}")
    _refuse_shared_clips(paths, folder)
    join_manifests(whole, paths, meta)
    return read_manifest(whole)


def _refuse_shared_clips(manifests: Sequence[Path], folder: Path) -> None:
    clips = pd.concat([read_manifest(path, ["video_id"])["video_id"].drop_duplicates() for path in manifests])
    if (twice := clips.duplicated()).any():
        raise InputError(
            f"{folder}: clip {clips[twice].iloc[0]} is in two shards; the shards saw different files below --root"
        )
