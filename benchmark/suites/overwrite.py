"""What becomes of cells that are there, and of those that are not; without imports, for the command line."""

from enum import StrEnum


class Overwrite(StrEnum):
    """Which cells are made: the missing ones, all anew, the missing ones if none is there yet, or none at all."""

    MISSING = "missing"
    ALWAYS = "always"
    NEVER = "never"
    ONLY_CACHE = "only-cache"
