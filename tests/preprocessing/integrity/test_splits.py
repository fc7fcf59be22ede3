"""Media and people in more than one split."""

from preprocessing.integrity.splits import find_repeated, find_shared_identities
from tests.preprocessing.integrity.clip_rows import clip


def test_one_video_in_two_splits_is_invalid():
    found = list(find_repeated([clip("real/a", "train"), clip("real/a", "test"), clip("real/b")]))
    assert [(each.severity, each.examples) for each in found] == [("invalid", ("real/a (test, train)",))]


def test_files_of_one_name_in_two_splits_are_told_but_not_invalid():
    clips = [clip("train/real/a", "train"), clip("test/real/a"), clip("test/fake/a", label=1)]
    assert [(each.severity, each.examples) for each in find_repeated(clips)] == [
        ("info", ("test/real/a, train/real/a",))
    ]


def test_a_video_that_was_made_again_for_another_split_is_known_by_its_people():
    people = {"identity_target": "020", "identity_source": "021"}
    clips = [clip("DF40_train/a/020_021", "train", 1, **people), clip("DF40/a/ff/020_021", "test", 1, **people)]
    assert [(each.severity, each.examples) for each in find_repeated(clips)] == [
        ("warning", ("DF40/a/ff/020_021, DF40_train/a/020_021",))
    ]


def test_identities_count_as_targets_and_as_sources():
    clips = [
        clip("a", "train", identity_target="1"),
        clip("b", "train", identity_target="2", identity_source="3"),
        clip("c", identity_target="4", identity_source="3"),
        clip("d", identity_target="5"),
        clip("e"),
        clip("f", "val", identity_target="6"),
    ]
    (found,) = find_shared_identities(clips)
    assert (found.severity, found.examples) == ("warning", ("3",))
    assert found.message == "1 of 3 identities of test are in train as well, in 1 of 3 media of test"
