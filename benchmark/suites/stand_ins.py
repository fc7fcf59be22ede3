"""A suite on the demo's data: its data sets mapped onto the demo's, its detectors with the demo's small network."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from benchmark.demo.light import lightened
from benchmark.demo.sets import PLANS
from benchmark.describe import whole_of
from config.base import Schema
from config.figure import FacesFigure
from config.load import load_config
from config.row import SuiteRow
from config.schema import DatasetConfig, DetectorConfig
from config.suite import SuiteConfig
from config.test_sets import OnTestSets

S = TypeVar("S", bound=Schema)
SOURCE, OTHER, OF_DF40, OF_DIFF = "DemoFF", "DemoX", "DemoDF40", "DemoDiFF"

FFPP = {
    "LinearAutoencoder": ("Deepfakes",),
    "ExpressionWarp": ("Face2Face",),
    "LandmarkSwap": ("FaceSwap", "FaceShifter"),
    "SuperResolution": ("NeuralTextures",),
}
"""Manipulations of DemoFF, and those of FaceForensics++ that each stands in for."""
DF40 = {
    "LandmarkSwap": ("faceswap", "fsgan", "deepfacelab"),
    "PoissonSwap": ("blendface", "uniface"),
    "BoxSwap": ("simswap", "inswap", "mobileswap"),
    "RegionSwap": ("e4s", "facedancer"),
    "ExpressionWarp": ("pirender", "hyperreenact", "danet", "mcnet"),
    "MouthSwap": ("wav2lip", "sadtalker", "heygen"),
    "StillPuppet": ("fomm", "facevid2vid", "MRAA", "one_shot_free", "tpsm", "lia"),
    "FaceMorph": ("StyleGAN2", "StyleGAN3", "StyleGANXL", "whichisreal"),
    "ChimericFace": ("sd2.1", "pixart", "MidJourney"),
    "PatchCodebook": ("VQGAN", "DiT", "SiT"),
    "Denoising": ("ddim", "rddm"),
    "FeatureWarp": ("stargan", "starganv2", "styleclip"),
    "SkinSmoothing": ("e4e", "CollabDiff"),
}
"""Manipulations of DemoDF40, and the methods of DF40 that each stands in for: of the same family."""
DIFF = {
    "FaceMorph": ("Midjourney", "HPS"),
    "ChimericFace": ("SDXL", "FreeDoM_T"),
    "PatchCodebook": ("LoRA", "DreamBooth"),
    "Denoising": ("SDXL_Refiner", "FreeDoM_I"),
    "PoissonSwap": ("DiffFace",),
    "BoxSwap": ("DCFace",),
    "FeatureWarp": ("Imagic", "CycleDiff"),
    "SkinSmoothing": ("CoDiff",),
}
"""Manipulations of DemoDiFF, and the generators of DiFF that each stands in for: of the same kind."""


def on_the_demo(suite: SuiteConfig, data: Path, seed: int) -> SuiteConfig:
    """The suite with stand-ins for its data sets, as by `stand_ins`.

    Headings and names of rows stay; footnotes say what stands in for what. A detector gets the baseline's network and
    about as many images as the baseline (benchmark.demo.light).

    Args:
        suite: as it stands.
        data: folder of the demo's stores and manifests, which tell how many epochs give as many images.
        seed: of training, if the suite names none.
    """
    stand_in, trained = stand_ins(suite), _trained(suite)
    return suite.model_copy(
        update={
            "train": (SOURCE,),
            "threshold_on": (SOURCE,) if suite.threshold_on else (),
            "rows": tuple(_light(row, data, seed, suite.profile) for row in suite.rows),
            "columns": tuple(_on(group, stand_in) for group in suite.columns),
            "figures": tuple(_on(figure, stand_in) for figure in suite.figures),
            "footnotes": (*suite.footnotes, *_notes(stand_in, trained)),
        }
    )


def stand_ins(suite: SuiteConfig) -> dict[str, str]:
    """What stands in for each test set of a suite.

    For DF40, DiFF and their parts it is what is like them of DemoDF40 or DemoDiFF; DemoFF, or its manipulation that is
    like a part of FaceForensics++, for what any of the suite's detectors is trained on; DemoX for all else. The sets of
    DF40 with reals of their own have domain cdf here.
    """
    sources = {SOURCE, *map(_whole, _trained(suite))}
    return {name: _stand_in(name, sources) for name in suite.tests}


def demo_sets(suite: SuiteConfig) -> tuple[str, ...]:
    """The data sets of the demo that a suite needs: to train on, and to test on."""
    found = {SOURCE, *map(_whole, stand_ins(suite).values())}
    return tuple(name for name in PLANS if name in found)


def _stand_in(name: str, sources: Collection[str]) -> str:
    whole = _whole(name)
    if whole in PLANS:
        return SOURCE if whole in sources else name
    method = _only_method(name)
    if whole == "DiFF":
        return f"{OF_DIFF}-{_resembling(method, DIFF)}" if method else f"Demo{name}"
    if whole in {"DF40-ff", "DF40-cdf", "DF40-own"}:
        domain = "ff" if whole == "DF40-ff" else "cdf"
        if method:
            return f"{_resembling(method, DF40)}_{domain}"
        return f"{OF_DF40}-{domain}" if name == whole else f"Demo{name}"
    if whole in sources:
        return f"{SOURCE}-{_resembling(method, FFPP)}" if method and whole == "FaceForensics++" else SOURCE
    return OTHER


def _only_method(name: str) -> str | None:
    """The method of a part that has one alone."""
    config = _shipped(_whole(name))
    chosen = config.parts.get(name, [entry.class_name for entry in config.classes])
    methods = {entry.method for entry in config.classes if entry.label and entry.class_name in chosen}
    return methods.pop() if len(methods) == 1 else None


@cache  # shipped files do not change, and a suite asks for each of its columns
def _shipped(name: str) -> DatasetConfig:
    return load_config(DatasetConfig, name)


def _resembling(method: str, substitutes: Mapping[str, Collection[str]]) -> str:
    return next(name for name, methods in substitutes.items() if method in methods)


def _notes(stand_in: Mapping[str, str], trained: Collection[str]) -> Iterator[str]:
    """A note for each of the demo's data sets that stands in for others, itself or by its parts."""
    alone = [name for name in sorted(trained) if stand_in.get(name, "") != SOURCE != name]
    if alone:
        yield f"{SOURCE} in place of {', '.join(alone)}, to train on"
    replaced: dict[str, dict[str, list[str]]] = {}
    for name, by in sorted(stand_in.items()):
        if name != by:
            replaced.setdefault(_whole(by), {}).setdefault(by, []).append(name)
    for whole in (name for name in PLANS if name in replaced):
        said = "; ".join(f"{by} in place of {', '.join(names)}" for by, names in sorted(replaced[whole].items()))
        yield said if whole in replaced[whole] else f"parts of {whole}: {said}"


def _on(asked: S, stand_in: Mapping[str, str]) -> S:
    """Columns or a figure, on other test sets; headings stay."""
    if isinstance(asked, OnTestSets):
        return asked.model_copy(update={"test": {heading: stand_in[name] for heading, name in asked.test.items()}})
    return asked.model_copy(update={"test": stand_in[asked.test]}) if isinstance(asked, FacesFigure) else asked


def _light(row: SuiteRow, data: Path, seed: int, profile: str) -> SuiteRow:
    light = lightened(row.detector, [SOURCE], seed, row.set)
    return row.model_copy(update={"set": (*light.overrides, f"nEpochs={light.epochs(data, profile)}")})


def _trained(suite: SuiteConfig) -> set[str]:
    """What any of a suite's detectors is trained on."""
    configs = (load_config(DetectorConfig, row.detector, row.overrides(suite.train)) for row in suite.rows)
    return {name for config in configs for name in config.train_dataset}


def _whole(name: str) -> str:
    """The data set that a name is, or is a part of."""
    return whole_of(name) or name
