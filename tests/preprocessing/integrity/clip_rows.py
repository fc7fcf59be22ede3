"""Clips without files, for what is decided by their names and places alone."""

from pathlib import Path

from preprocessing.clips import Clip


def clip(name: str, split: str = "test", label: int = 0, **fields) -> Clip:
    """A clip of one file, of class "real" or "fake" by its label."""
    kind = ("real", "fake")[label]
    made = {"class_name": kind, "method": kind, "compression": "", "files": (Path(name),)} | fields
    return Clip(
        dataset="set", split=split, label=label, media="video", name=name, store_folder=f"set/frames/{name}", **made
    )
