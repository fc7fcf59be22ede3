"""What an integrity check found: counts, findings with their severity, and what properties of the files tell."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["invalid", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a user must know of a data set.

    Attributes:
        check: which check found it ("counts", "copies", ...).
        severity: "invalid" if figures on this copy are not those of the data set, "warning" if they need a word
            beside them, "info" otherwise.
        message: a sentence.
        examples: what is concerned, all of it; empty where the message says it all.
    """

    check: str
    severity: Severity
    message: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many media of a class or method there are in a split.

    Attributes:
        name: the class or method.
        compression: the level, "" where there is none.
        split: train, val or test.
        found: media on disk that a detector could be given.
        expected: what a whole copy holds; None where nobody said.
    """

    name: str
    compression: str
    split: str
    found: int
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one property of the files alone tells real from fake.

    Attributes:
        property: which ("resolution", "JPEG quality", ...).
        fakes: the method that the real media are told from, or "all fakes".
        n_real: real media that have the property.
        n_fake: fake ones.
        real: mean of the real media, or their most frequent value with its share.
        fake: likewise of the fake ones.
        accuracy: balanced accuracy in [0, 1] of looking up the value; 0.5 tells nothing.
        auc: chance that a fake has the larger value, ties counting one half; None for what is no number.
        suspicious: the accuracy is high, and not by chance.
    """

    property: str
    fakes: str
    n_real: int
    n_fake: int
    real: float | str
    fake: float | str
    accuracy: float
    auc: float | None
    suspicious: bool


@dataclass(frozen=True, slots=True)
class Integrity:
    """All that was found on one data set.

    Attributes:
        dataset: its name.
        quick: files were neither opened nor compared.
        media: how many there are on disk in some split.
        files: how many files they consist of.
        classes: counts of each class, compression level and split.
        methods: counts of each method, compression level and split.
        separations: what the properties of files tell.
        findings: the gravest first.
    """

    dataset: str
    quick: bool
    media: int
    files: int
    classes: tuple[Tally, ...]
    methods: tuple[Tally, ...]
    separations: tuple[Separation, ...]
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        """Whether a reproduction on this copy would be valid."""
        return all(finding.severity != "invalid" for finding in self.findings)
