"""How many images an epoch of a batch recipe shows, told from how many faces there are alone; imports no torch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

REAL, FAKE = 0, 1


@dataclass(frozen=True, slots=True)
class _Entries:
    """Which faces an epoch goes through, and how many images it shows for each.

    Attributes:
        images: for each.
        labels: of the faces, 0 for real and 1 for fake ones.
        of_both: how many it goes through, of so many of each label.
    """

    images: int
    labels: tuple[int, ...]
    of_both: Callable[[Iterable[int]], int] = sum


_ENTRIES = {
    "frames": _Entries(1, (REAL, FAKE)),
    "two_views": _Entries(2, (REAL, FAKE)),
    "balanced": _Entries(2, (REAL, FAKE), max),
    "pair": _Entries(2, (REAL, FAKE), max),
    "real_with_pseudofake": _Entries(2, (REAL,)),
    "aligned_triplet": _Entries(3, (REAL,)),
    "aligned_quadruplet": _Entries(4, (FAKE,)),
}


def images_shown(recipe: str, faces: Callable[[int], int | None]) -> int | None:
    """How many images an epoch shows, but for what is left over after its last full batch.

    Args:
        recipe: name of a batch recipe.
        faces: how many faces of a label there are; None if that is not known.

    Returns:
        The number; None where it follows from what is not known, or the recipe is a plugin's.
    """
    if recipe not in _ENTRIES:
        return None
    entries = _ENTRIES[recipe]
    counts = [faces(label) for label in entries.labels]
    known = [count for count in counts if count is not None]
    return entries.images * entries.of_both(known) if len(known) == len(counts) else None
