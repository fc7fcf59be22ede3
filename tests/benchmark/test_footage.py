"""Which data sets share videos, by what the shipped descriptions say."""

import pytest

from benchmark.card import card_of
from benchmark.footage import footage, shared_with
from config.load import config_names, load_config
from config.schema import DatasetConfig


@pytest.mark.parametrize(
    ("test_set", "training_set", "shared"),
    [
        ("FaceForensics++", "FaceForensics++", True),
        ("FF-F2F", "FF-DF", True),  # their reals
        ("FaceShifter", "FaceForensics++", True),
        ("DeeperForensics-1.0", "FF-DF", True),
        ("FF-DF", "DeeperForensics-1.0", True),
        ("FSAll_ff", "FaceForensics++", True),
        ("FSAll_cdf", "FSAll_ff", False),
        ("FSAll_cdf", "Celeb-DF-v2", True),
        ("Celeb-DF-v1", "Celeb-DF-v2", True),
        ("e4e", "FSAll_ff", True),
        ("heygen", "e4e", False),  # parts with reals of their own
        ("DeepFakeDetection", "FaceForensics++", False),
        ("Celeb-DF-v2", "FaceForensics++", False),
        ("mine", "mine", True),
        ("mine", "yours", False),
    ],
)
def test_what_was_trained_on_is_no_foreign_test_set(test_set: str, training_set: str, shared: bool):
    assert shared_with(test_set, ["elsewhere", training_set]) == ((training_set,) if shared else ())


def test_a_card_names_the_sources():
    assert "end_to_end (footage of FaceForensics++)" in card_of("DeeperForensics-1.0")


def test_sources_are_data_sets_that_ship():
    names = config_names(DatasetConfig)
    named = {source for name in names for entry in load_config(DatasetConfig, name).classes for source in entry.sources}
    assert named
    assert named <= set(names)
    assert all(footage(name) for name in names)
