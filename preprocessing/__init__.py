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
        "celebdf": "preprocessing.layouts.celebdf",
        "csv": "preprocessing.layouts.listed",
        "deeperforensics": "preprocessing.layouts.deeperforensics",
        "df40": "preprocessing.layouts.df40",
        "dfd": "preprocessing.layouts.ffpp",
        "dfdc": "preprocessing.layouts.dfdc",
        "dfdcp": "preprocessing.layouts.dfdc",
        "fakeavceleb": "preprocessing.layouts.fakeavceleb",
        "ffpp": "preprocessing.layouts.ffpp",
        "folders": "preprocessing.layouts.folders",
    },
    group="assay.layouts",
)
