"""Counts beside a card's, and media that are listed but not used."""

from config.schema import Card, ClassConfig, Count, DatasetConfig
from preprocessing.clips import ABSENT, EMPTY
from preprocessing.integrity.counts import compare_counts, count_classes, count_methods, find_unused
from preprocessing.integrity.report import Tally
from tests.preprocessing.integrity.clip_rows import clip


def described(optional: bool = False, **expected: int) -> DatasetConfig:
    """Classes real and fake, of which so many are expected in test."""
    return DatasetConfig(
        name="set",
        title="set",
        layout="folders",
        classes=[
            ClassConfig(class_name="real", label=0, method="real"),
            ClassConfig(class_name="fake", label=1, method="fake", optional=optional),
        ],
        card=Card(expected=[Count(class_name=name, split="test", media=media) for name, media in expected.items()]),
    )


def findings(clips, config: DatasetConfig) -> dict[str, tuple[str, ...]]:
    return {finding.severity: finding.examples for finding in compare_counts(count_classes(clips, config), config)}


def test_what_is_expected_is_found():
    clips = [clip("a"), clip("b"), clip("c", label=1)]
    assert findings(clips, described(real=2, fake=1)) == {}


def test_fewer_are_invalid_and_more_a_warning():
    found = findings([clip("a"), clip("b")], described(real=1, fake=1))
    assert found == {"warning": ("real test: 2 of 1",), "invalid": ("fake test: 0 of 1",)}


def test_of_one_split_alone_the_others_are_not_missed():
    config = described(real=1, fake=1)
    assert [tally.expected for tally in count_classes([clip("a", "train")], config, "train")] == [None]
    assert [tally.expected for tally in count_classes([clip("a")], config, "test")] == [1, 1]


def test_each_level_that_is_there_is_to_be_whole():
    clips = [clip("a", compression="c23"), clip("b", compression="c23"), clip("a", compression="c40")]
    assert findings(clips, described(optional=True, real=2)) == {"invalid": ("real c40 test: 1 of 2",)}


def test_an_optional_class_is_not_missed_unless_some_of_it_is_there():
    config = described(optional=True, real=1, fake=2)
    assert findings([clip("a")], config) == {"info": ("fake",)}
    assert findings([clip("a"), clip("b", label=1)], config) == {"invalid": ("fake test: 1 of 2",)}


def test_without_expected_counts_there_is_nothing_to_compare():
    assert findings([clip("a"), clip("b", label=1)], described()) == {"info": ()}
    assert findings([clip("a"), clip("b", "train", label=1)], described(real=1)) == {"info": ("fake train",)}


def test_a_class_of_which_there_is_nothing_is_missed_although_no_counts_are_known():
    assert findings([clip("a")], described()) == {"invalid": ("fake",), "info": ()}
    assert findings([clip("a")], described(optional=True)) == {"info": ()}


def test_methods_are_counted_by_split():
    clips = [clip("a", method="swap"), clip("b", method="swap"), clip("c", "train", method="swap")]
    assert count_methods(clips) == (Tally("swap", "", "test", 2), Tally("swap", "", "train", 1))


def test_absent_media_are_invalid_and_unused_ones_are_told():
    clips = [clip("a", skip=ABSENT), clip("b", skip="in no split file"), clip("c", skip=EMPTY), clip("d")]
    assert [(found.severity, found.examples) for found in find_unused(clips)] == [("invalid", ("a",)), ("info", ("b",))]
