"""The one exception that a user's mistake raises, and the nearest valid name to put into its sentence."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """A mistake in what the user gave: a file, an option, a key or a value.

    The message is one sentence that names the thing, what was expected, and the nearest valid name if there is one.
    The command line prints it and exits with code 2.
    """


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The valid name that looks most like `name`, ignoring case, or None if nothing does."""
    by_fold = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.5)
    return by_fold[found[0]] if found else None


def unknown(kind: str, name: str, choices: Iterable[str]) -> InputError:
    """The error for a name that is not among the valid ones.

    Args:
        kind: what is named, in words ("detector", "key in efficientnetb4.yaml").
        name: the name as given.
        choices: all valid names.
    """
    valid = sorted(choices)
    close = nearest(name, valid)
    if close:
        return InputError(f"unknown {kind} '{name}'; did you mean '{close}'?")
    return InputError(f"unknown {kind} '{name}'; valid are: {', '.join(valid) or 'none'}")
