"""Raw video or image -> aligned face crops and landmarks in LMDB, and one manifest; and the way back to pixels."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from config.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from config.schema import DatasetConfig
    from preprocessing.clips import Clip

LAYOUT: "Registry[Callable[[DatasetConfig, Path], Iterable[Clip]]]" = Registry(
    "layout",
    {
        "celebdf": "preprocessing.layouts",
        "ffpp": "preprocessing.layouts",
        "folders": "preprocessing.layouts",
    },
    group="assay.layouts",
)
