"""How well a property tells the classes, against closed forms, chance, and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from preprocessing.integrity.files import Probe
from preprocessing.integrity.headers import Header
from preprocessing.integrity.report import Separation
from preprocessing.integrity.separability import find_separations, lookup_accuracy, properties_of, separate
from tests.preprocessing.integrity.clip_rows import clip


def codes(*shares: int) -> np.ndarray:
    """So many of value 0, of value 1, ..."""
    return np.repeat(np.arange(len(shares)), shares)


def separation(name: str, real: list, fake: list) -> Separation:
    clips = [*[clip(f"r{i}") for i in range(len(real))], *[clip(f"f{i}", label=1) for i in range(len(fake))]]
    (found,) = separate(clips, {name: pd.Series([*real, *fake])})
    return found


def test_values_of_one_class_alone_tell_all():
    assert lookup_accuracy(codes(10, 0, 30), codes(0, 25)) == 1


def test_the_same_values_tell_nothing():
    assert lookup_accuracy(codes(40), codes(10)) == 0.5


def test_values_that_occur_once_tell_nothing():
    assert lookup_accuracy(np.arange(0, 500), np.arange(500, 1000)) == pytest.approx(0.5)


def test_the_accuracy_is_that_of_the_better_guess():
    # value 0: 80 % of the reals and 40 % of the fakes, so real: (0.8 + 0.6) / 2
    assert lookup_accuracy(codes(8000, 2000), codes(4000, 6000)) == pytest.approx(0.7)


def test_chance_is_seldom_suspicious():
    rng = np.random.default_rng(0)
    drawn = [separation("megapixels", list(rng.random(40)), list(rng.random(60))) for _ in range(200)]
    assert np.mean([found.accuracy for found in drawn]) == pytest.approx(0.5, abs=0.02)
    assert sum(found.suspicious for found in drawn) <= 2


def test_small_sets_need_more_than_large_ones():
    found = separation("suffix", ["mp4"] * 4 + ["avi"], ["avi"] * 4 + ["mp4"])
    assert not found.suspicious
    assert separation("suffix", ["mp4"] * 80 + ["avi"] * 20, ["avi"] * 80 + ["mp4"] * 20).suspicious


def test_numbers_have_means_and_an_auc():
    rng = np.random.default_rng(0)
    real, fake = list(rng.normal(0, 1, 300).round(1)), list(rng.normal(1, 1, 200).round(1))
    found = separation("bits per pixel", real, fake)
    assert found.auc == pytest.approx(roc_auc_score([0] * 300 + [1] * 200, real + fake))
    assert (found.real, found.fake) == (pytest.approx(np.mean(real)), pytest.approx(np.mean(fake)))
    # two normal distributions one deviation apart are told with accuracy Phi(1/2) = 0.69
    assert found.accuracy == pytest.approx(0.69, abs=0.05)
    assert found.suspicious


def test_a_property_may_tell_although_its_means_are_equal():
    found = separation("JPEG quality", [95.0, 75.0] * 50, [85.0] * 100)
    assert found.real == found.fake == 85
    assert (found.auc, found.accuracy, found.suspicious) == (0.5, 1, True)


def test_texts_have_their_most_frequent_value():
    found = separation("resolution", ["64x64"] * 30 + ["32x32"] * 10, ["32x32"] * 20)
    assert (found.real, found.fake, found.auc) == ("64x64 (75%)", "32x32 (100%)", None)
    (told,) = find_separations([found])
    assert told.severity == "warning"
    assert told.examples == ("resolution: real 64x64 (75%), all fakes 32x32 (100%); balanced accuracy 0.88",)


def test_one_method_may_stand_out_among_several():
    clips = [clip(f"r{i}") for i in range(40)]
    clips += [clip(f"f{i}", label=1, method=("swap", "warp")[i % 2]) for i in range(200)]
    suffixes = pd.Series(["mp4"] * 40 + ["mp4", "avi"] * 100)
    found = {each.fakes: each.accuracy for each in separate(clips, {"suffix": suffixes})}
    assert found == {"all fakes": pytest.approx(0.75), "swap": 0.5, "warp": 1}


def test_clips_without_a_property_are_left_out():
    real, fake = [30.0] * 10, [25.0] * 10
    found = separation("frame rate", [*real, None, None], [*fake, None])
    assert (found.n_real, found.n_fake, found.accuracy) == (10, 10, 1)
    assert separate([clip("a"), clip("b", label=1)], {"suffix": pd.Series(["mp4", "avi"])}) == ()


def test_properties_come_from_the_first_readable_file():
    header = Header("jpeg", 100, 50, jpeg_quality=90)
    clips = [clip("a.JPG"), clip("b.mp4"), clip("c.mp4")]
    probes = [
        [Probe(9, "cut off"), Probe(1250, "", header)],
        [Probe(5000, "", Header("h264", 100, 50, frame_rate=25.0, frames=8))],
        [Probe(9, "not a video")],
    ]
    made = properties_of(clips, probes)
    assert made["suffix"].tolist() == ["jpg", "mp4", "mp4"]
    assert made["resolution"].dropna().tolist() == ["100x50", "100x50"]
    assert made["megapixels"].dropna().tolist() == [0.005, 0.005]
    assert made["bits per pixel"].dropna().tolist() == [2, 1]
    assert made["JPEG quality"].dropna().tolist() == [90]
    assert made["frame rate"].dropna().tolist() == [25]
    assert made["codec"].dropna().tolist() == ["jpeg", "h264"]
