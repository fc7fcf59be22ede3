"""Levels of compression in names of data sets."""

LEVELS = ("raw", "c23", "c40")


def without_level(name: str) -> tuple[str, str | None]:
    """A name, and the level of compression that it ends with, as DeepfakeBench's FaceForensics++_c40 does; or None."""
    whole, _, level = name.rpartition("_")
    return (whole, level) if whole and level in LEVELS else (name, None)
