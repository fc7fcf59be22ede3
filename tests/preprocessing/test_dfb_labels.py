"""Class names as labels."""

import pytest

from config.errors import InputError
from preprocessing.dfb_labels import Labels, parse_labels

LABELS = Labels()


@pytest.mark.parametrize(
    ("name", "label", "method"),
    [
        ("FF-real", 0, "real"),
        ("FF-DF", 1, "Deepfakes"),
        ("CelebDFv2_real", 0, "real"),
        ("DFDCP_FakeB", 1, "method_B"),
        ("roop_Fake", 1, "roop"),
        ("FF-SH", 1, "FF-SH"),
        ("simswap_Real", 0, "real"),
        ("simswap_Fake", 1, "simswap"),
        ("custom_real", 0, "real"),
    ],
)
def test_names_of_deepfakebench_df40_and_this_project_are_known(name: str, label: int, method: str):
    assert LABELS.label(name) == label
    assert LABELS.method(name, label) == method


@pytest.mark.parametrize(
    ("name", "close"), [("FF-RF", "FF-"), ("CelebDFv2_rael", "CelebDFv2_real"), ("_Fake", "_fake")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, close: str):
    with pytest.raises(InputError, match=f"unknown class '{name}'; did you mean '.*{close}.*--label"):
        LABELS.label(name)


def test_the_users_labels_come_first_and_numbers_of_several_classes_are_fake():
    labels = Labels(parse_labels(["FF-F2F=2", "mine=0", "a=b=1", "FF-DF=0"]))
    assert [labels.label(name) for name in ("FF-F2F", "mine", "a=b", "FF-DF", "FF-NT")] == [1, 0, 1, 0, 1]
    assert labels.method("FF-DF", 0) == "real"


@pytest.mark.parametrize("assignment", ["FF-DF", "=1", "FF-DF=", "FF-DF=fake", "FF-DF=-1", "FF-DF=²"])
def test_what_is_no_label_is_refused(assignment: str):
    with pytest.raises(InputError, match="expected NAME=0 for a real class"):
        parse_labels([assignment])
