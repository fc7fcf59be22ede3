"""Schemas of a suite's rows, one of which may stand for several: the values of a key that is swept."""

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator

from config.assignment import assignment, in_yaml
from config.base import Schema

VARIANT = "variant"  # what is swept where the values are names of the detector's variants


def _scalar(value: Any) -> Any:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if not (is_number or isinstance(value, str | None)):
        raise ValueError(f"expected a finite number, a word, true, false or null, not {value!r}")
    return value


Scalar = Annotated[bool | int | float | str | None, BeforeValidator(_scalar)]


def in_words(value: Scalar) -> str:
    """A swept value as names of rows have it."""
    return value if isinstance(value, str) else in_yaml(value)


class Sweep(Schema):
    """Values of one key, for each of which there is a row.

    Attributes:
        key: of the detector's configuration, such as "options.margin"; or "variant".
        values: what it is given, or the names of the detector's variants; each once.
    """

    key: str
    values: tuple[Scalar, ...]

    @field_validator("values")
    @classmethod
    def _each_once(cls, values: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
        if not values:
            raise ValueError("expected one value or more")
        known = [(isinstance(value, bool), value) for value in values]  # to Python, true is 1
        twice = next((value for value in known if known.count(value) > 1), None)
        if twice:
            raise ValueError(f"{in_yaml(twice[1])} is given twice")
        return values


class SuiteRow(Schema):
    """A row: a detector, trained and measured.

    Attributes:
        name: as the table prints it.
        detector: a name, NAME/VARIANT, or a YAML file.
        set: assignments to its configuration, "key=value" as for `--set`.
        sweep: a key, for each of whose values there is such a row.
    """

    name: str
    detector: str
    set: tuple[str, ...] = ()
    sweep: Sweep | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What a figure may call it."""
        return (self.name,)

    def in_full(self) -> list["SuiteRow"]:
        """The rows that it stands for: itself, or one for each value of its sweep."""
        return [self] if self.sweep is None else [self._at(self.sweep.key, value) for value in self.sweep.values]

    def overrides(self, train: Sequence[str], seed: int | None = None) -> tuple[str, ...]:
        """All assignments to the detector's configuration; the row's own go over those of its suite.

        Args:
            train: what the suite's rows are trained on, if it says so.
            seed: one of the suite's seeds, if it has some.
        """
        trained_on = [f"train_dataset={json.dumps(list(train))}"] if train else []
        return (*trained_on, *self.set, *([] if seed is None else [f"manualSeed={seed}"]))

    def sets(self, key: str) -> bool:
        """Whether it assigns a key."""
        return any(assigned.partition("=")[0].strip() == key for assigned in self.set)

    def _at(self, key: str, value: Scalar) -> "SweptRow":
        """The row of one of the values of its sweep."""
        text = in_words(value)
        detector, assigned = self.detector, (*self.set, assignment(key, value))
        if key == VARIANT:
            detector, assigned = f"{self.detector}/{text}", self.set
        return SweptRow(
            name=f"{self.name} = {text}", detector=detector, set=assigned, curve=self.name, key=key, value=value
        )


class SweptRow(SuiteRow):
    """A row at one value of a sweep.

    Attributes:
        curve: the name of the row that has the sweep.
        key: that is swept.
        value: its value here.
    """

    curve: str
    key: str
    value: Scalar

    @property
    def point(self) -> float | str:
        """Where it stands along the sweep: at a number, or at what is no number in words."""
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            return self.value
        return in_words(self.value)

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name, and that of all rows of the sweep."""
        return (self.name, self.curve)


def in_full(rows: tuple[SuiteRow, ...]) -> tuple[SuiteRow, ...]:
    """The rows that some rows stand for, in their order.

    Raises:
        ValueError: two rows, or a row and a sweep, have the same name.
    """
    found = tuple(one for row in rows for one in row.in_full())
    names = [*(row.name for row in found), *(row.name for row in rows if row.sweep)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two are called '{name}'")
    return found
