"""What columns and figures of a suite have in common: they are of test sets, as these are or perturbed."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from config.base import Schema


def _named_as_they_are(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    return {name: name for name in names} if isinstance(names, list) else value


TestSets = Annotated[dict[str, str], BeforeValidator(_named_as_they_are), Field(min_length=1)]
"""Test sets by their headings. A YAML file may give a list of names, or one, which are headings too."""


class OnTestSets(Schema):
    """What is measured or drawn on test sets.

    Attributes:
        test: test sets; or headings with the test set of each.
        perturb: a perturbation suite, under which they are scored.
    """

    test: TestSets
    perturb: str | None = None

    @property
    def needs_features(self) -> bool:
        """Whether it is computed from features, not from scores."""
        return False
