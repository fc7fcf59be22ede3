"""Stored faces -> batches -> a trained detector: augmentation, batch recipes and the loop. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.registry import Registry

if TYPE_CHECKING:
    from training.recipes import Recipe

RECIPE: Registry[type[Recipe]] = Registry(
    "batch recipe (dataset_type)",
    {
        "aligned_quadruplet": "training.fakes",
        "aligned_triplet": "training.fakes",
        "balanced": "training.recipes",
        "frames": "training.recipes",
        "pair": "training.recipes",
        "real_with_pseudofake": "training.fakes",
        "two_views": "training.recipes",
    },
    group="assay.recipes",
)
