"""Parts: names for selections of a data set's classes (FF-DF, FSAll_ff, DiFF-T2I), read from its manifest."""

from dataclasses import dataclass, replace
from pathlib import Path

from config.compression import without_level
from config.errors import InputError, unknown
from preprocessing.manifest import manifest_meta
from preprocessing.pipeline import manifest_path


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a name are: a manifest, which of its classes, and which level of compression; None for all."""

    manifest: Path
    classes: tuple[str, ...] | None = None
    compression: str | None = None


def find_source(data: Path, name: str, profile: str = "dfb") -> Source:
    """The manifest that holds a data set or a part of one.

    A manifest of that name goes before a part of another; a part with its data set's own name narrows it. A name that
    ends with a level of compression (`without_level`) narrows what it begins with.

    Raises:
        InputError: neither is preprocessed below `data`.
    """
    path = manifest_path(data, profile, name)
    if path.is_file():
        own = _parts(path).get(name)
        return Source(path, tuple(own) if own is not None else None)
    made = {entry: _parts(entry) for entry in sorted(path.parent.glob("*.parquet"))}
    for entry, parts in made.items():
        if name in parts:
            return Source(entry, tuple(parts[name]))
    whole, level = without_level(name)
    if level:
        return replace(find_source(data, whole, profile), compression=level)
    names = {entry.stem for entry in made} | {part for parts in made.values() for part in parts}
    if names:
        raise InputError(f"{unknown('preprocessed data set', name, names)} (below {path.parent})")
    raise InputError(f"no such manifest: {path}; make it with 'assay preprocess'")


def _parts(path: Path) -> dict[str, list[str]]:
    return {str(name): list(classes) for name, classes in manifest_meta(path).get("parts", {}).items()}
