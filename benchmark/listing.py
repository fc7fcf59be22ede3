"""What `assay list` shows: names with a word about each. Imports no torch."""

from collections.abc import Iterator

import yaml

from config.base import Schema
from config.errors import InputError, unknown
from config.load import config_names, load_config, variants_of
from config.perturbation import PerturbationSuite
from config.pseudofake import PseudoFakeConfig
from config.registry import Registry
from config.schema import DatasetConfig, DetectorConfig

# Of what the files may hold variants.
PRESETS: dict[str, type[Schema]] = {"detectors": DetectorConfig, "pseudofakes": PseudoFakeConfig}


def names(kind: str) -> Iterator[tuple[str, str]]:
    """(name, about) of everything of a kind.

    Raises:
        InputError: no such kind.
    """
    if kind == "datasets":
        for name in config_names(DatasetConfig):
            config = load_config(DatasetConfig, name)
            yield name, config.title
            parts = [part for part in config.parts if part != name]
            if parts:
                yield "", f"  parts: {' '.join(parts)}"
        return
    if kind == "pseudofakes":
        for name in config_names(PseudoFakeConfig):
            yield name, load_config(PseudoFakeConfig, name).title
            yield from _variants(PseudoFakeConfig, name)
        return
    registry = _registry(kind)
    if kind == "detectors":
        yield from _detectors(registry)
        return
    if kind == "perturbations":
        yield from _perturbation_suites()
    for name in registry.names():
        yield name, registry.about(name)


def entry(kind: str, name: str) -> list[tuple[str, str]]:
    """The (name, about) of one thing of a kind, and what stands below it; of a variant, what it sets.

    Raises:
        InputError: no such kind, or nothing of that name in it.
    """
    file, _, variant = name.partition("/")
    schema = PRESETS.get(kind)
    if schema and variant and file in config_names(schema):
        changes = variants_of(schema, file)
        if variant not in changes:
            raise unknown(f"variant of {file}", variant, changes)
        return [(name, f"{file} with {yaml.safe_dump(changes[variant], default_flow_style=True, width=1000).strip()}")]
    found: dict[str, list[tuple[str, str]]] = {}
    current = ""
    for heading, about in names(kind):
        current = heading or current
        found.setdefault(current, []).append((heading, about))
    if name not in found:
        raise unknown(kind.removesuffix("s"), name, found)
    return found[name]


def _detectors(registry: Registry) -> Iterator[tuple[str, str]]:
    """What is registered, and the shipped files of any name, each with its variants."""
    configured = config_names(DetectorConfig)
    for name in sorted({*registry.names(), *configured}):
        model = load_config(DetectorConfig, name).model_name if name in configured else name
        yield name, registry.about(model) if name == model else f"{model} with other settings."
        if name in configured:
            yield from _variants(DetectorConfig, name)


def _perturbation_suites() -> Iterator[tuple[str, str]]:
    """The shipped suites, each with a line of its perturbations; some are called as a perturbation is."""
    for name in config_names(PerturbationSuite):
        suite = load_config(PerturbationSuite, name)
        yield name, f"suite: {suite.title}"
        yield "", f"  perturbations: {' '.join(suite.perturbations)}"


def _variants(schema: type[Schema], name: str) -> Iterator[tuple[str, str]]:
    """A line with the variants of a shipped file, if it has any."""
    found = variants_of(schema, name)
    if found:
        yield "", f"  variants: {' '.join(found)}"


def _registry(kind: str) -> Registry:
    from detectors import BACKBONE, DETECTOR, LOSSFUNC
    from preprocessing import LAYOUT
    from preprocessing.perturbations import PERTURBATION
    from training import RECIPE

    registries: dict[str, Registry] = {
        "detectors": DETECTOR,
        "backbones": BACKBONE,
        "losses": LOSSFUNC,
        "recipes": RECIPE,
        "layouts": LAYOUT,
        "perturbations": PERTURBATION,
    }
    if kind not in registries:
        raise InputError(f"cannot list '{kind}'")
    return registries[kind]
