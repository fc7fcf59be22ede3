"""DF40 and DiFF: folders that differ from method to method, told by looking."""

from pathlib import Path

import pytest

from preprocessing.clips import EMPTY
from tests.preprocessing.layouts.trees import clips_of, ffpp_splits, tree


@pytest.fixture
def df40(tmp_path: Path) -> Path:
    """One example of each form that DF40's archives come in."""
    return tree(
        tmp_path,
        "FaceForensics++/original_sequences/youtube/c23/frames/000/000.png",
        "FaceForensics++/original_sequences/youtube/c23/frames/020/000.png",
        "Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png",
        "Celeb-DF-v2/YouTube-real/frames/00170/000.png",
        # face swapping and reenactment: frames, masks and landmarks
        "DF40/fsgan/ff/frames/020_021/000.png",
        "DF40/fsgan/ff/masks/020_021/000.png",
        "DF40/fsgan/ff/landmarks/020_021/",
        "DF40/fsgan/cdf/frames/id0_id1_0000/000.png",
        "DF40_train/fsgan/frames/000_003/000.png",
        # entire face synthesis: no level named frames, and another one in between
        "DF40/VQGAN/ff/020/000.png",
        "DF40/VQGAN/cdf/Fake_from_Celeb-real/id0_0000/013158.png",
        "DF40_train/VQGAN/000/000.png",
        "DF40/RDDM/ff/020/000.png",
        "DF40/RDDM/ff/021/",
        # e4e
        "DF40/e4e/ff/020/000.png",
        "DF40/e4e/cdf/Celeb-real/inversions/id0_0000_1.jpg",
        "DF40/e4e/cdf/Celeb-real/inversions/id1_0000_1.jpg",
        # the sets with reals of their own
        "DF40/stargan/fake/fake/a.png",
        "DF40/stargan/real/real/b.png",
        "DF40/StarGAN2/fake/a.png",
        "DF40/StarGAN2/real/b.png",
        "DF40/whichfaceisreal/whichfaceisreal/fake/a.png",
        "DF40/whichfaceisreal/whichfaceisreal/real/b.png",
        "DF40/MidJourney/fake/a portrait of nobody.png",
        "DF40/deepfacelab/fake/frames/0001/0.png",
        "DF40/deepfacelab/real/frames/0001/0.png",
        "DF40/heygen/heygen_new/fake/frames/v1/0.png",
        "DF40/heygen/heygen_new/real/v2.mp4",
        "DF40/CollabDiff/fake/12/0.png",
    )


def test_ff_domain_has_train_and_test_and_shared_reals(df40: Path):
    clips = clips_of("DF40-ff", df40)
    assert {name: (clip.class_name, clip.split) for name, clip in clips.items() if clip.label} == {
        "DF40/fsgan/ff/frames/020_021": ("fsgan_Fake", "test"),
        "DF40_train/fsgan/frames/000_003": ("fsgan_Fake", "train"),
        "DF40/VQGAN/ff/020": ("VQGAN_Fake", "test"),
        "DF40_train/VQGAN/000": ("VQGAN_Fake", "train"),
        "DF40/RDDM/ff/020": ("rddm_Fake", "test"),
        "DF40/RDDM/ff/021": ("rddm_Fake", "test"),
        "DF40/e4e/ff/020": ("e4e_Fake", "test"),
    }
    assert clips["DF40/RDDM/ff/021"].skip == EMPTY
    reals = {clip.identity_target: clip.split for clip in clips.values() if not clip.label}
    assert reals == {"000": "train", "020": "test"}


def test_crops_bring_masks_and_landmarks(df40: Path):
    clip = clips_of("DF40-ff", df40)["DF40/fsgan/ff/frames/020_021"]
    assert clip.is_crop
    assert clip.mask == df40 / "DF40/fsgan/ff/masks/020_021"
    assert clip.landmarks == df40 / "DF40/fsgan/ff/landmarks/020_021"
    assert (clip.identity_target, clip.identity_source) == ("020", "021")
    assert clip.store_folder == "DF40-ff/DF40/fsgan/ff/frames/020_021"


def test_official_splits_go_before_those_of_the_fakes(df40: Path):
    ffpp_splits(df40 / "FaceForensics++", val=["000_003"], test=["020_021"])
    reals = {clip.identity_target: clip.split for clip in clips_of("DF40-ff", df40).values() if not clip.label}
    assert reals == {"000": "val", "020": "test"}


def test_a_target_in_train_and_test_leaves_its_real_to_test(df40: Path):
    tree(df40, "DF40_train/simswap/frames/020_021/000.png")
    reals = {clip.identity_target: clip.split for clip in clips_of("DF40-ff", df40).values() if not clip.label}
    assert reals == {"000": "train", "020": "test"}


def test_cdf_domain(df40: Path):
    clips = clips_of("DF40-cdf", df40)
    assert {name: (clip.class_name, clip.media) for name, clip in clips.items()} == {
        "Celeb-DF-v2/Celeb-real/frames/id0_0000": ("CDF-real", "video"),
        "Celeb-DF-v2/YouTube-real/frames/00170": ("CDF-real", "video"),
        "DF40/fsgan/cdf/frames/id0_id1_0000": ("fsgan_Fake", "video"),
        "DF40/VQGAN/cdf/Fake_from_Celeb-real/id0_0000": ("VQGAN_Fake", "video"),
        "DF40/e4e/cdf/Celeb-real/inversions/id0_0000_1": ("e4e_Fake", "image"),
        "DF40/e4e/cdf/Celeb-real/inversions/id1_0000_1": ("e4e_Fake", "image"),
    }
    fake = clips["DF40/VQGAN/cdf/Fake_from_Celeb-real/id0_0000"]
    assert (fake.identity_target, fake.identity_source) == ("id0", "")
    assert {clip.split for clip in clips.values()} == {"test"}


def test_a_method_without_a_level_is_of_the_ff_domain(tmp_path: Path):
    tree(tmp_path, "DF40/lia/000_003/000.png", "DF40/fsgan/cdf/frames/id0_id1_0000/000.png")
    assert [clip.class_name for clip in clips_of("DF40-ff", tmp_path).values()] == ["lia_Fake"]
    assert [clip.class_name for clip in clips_of("DF40-cdf", tmp_path).values()] == ["fsgan_Fake"]


def test_the_sets_with_reals_of_their_own(df40: Path):
    clips = clips_of("DF40-own", df40)
    own = {name: (clip.class_name, clip.media) for name, clip in clips.items() if "e4e" not in clip.class_name}
    assert own == {
        "DF40/stargan/fake/fake/a": ("stargan_Fake", "image"),
        "DF40/stargan/real/real/b": ("stargan_Real", "image"),
        "DF40/StarGAN2/fake/a": ("starganv2_Fake", "image"),
        "DF40/StarGAN2/real/b": ("starganv2_Real", "image"),
        "DF40/whichfaceisreal/whichfaceisreal/fake/a": ("whichisreal_Fake", "image"),
        "DF40/whichfaceisreal/whichfaceisreal/real/b": ("whichisreal_Real", "image"),
        "DF40/MidJourney/fake/a portrait of nobody": ("MidJourney_Fake", "image"),
        "DF40/deepfacelab/fake/frames/0001": ("deepfacelab_Fake", "video"),
        "DF40/deepfacelab/real/frames/0001": ("deepfacelab_Real", "video"),
        "DF40/heygen/heygen_new/fake/frames/v1": ("heygen_Fake", "video"),
        "DF40/heygen/heygen_new/real/v2": ("heygen_Real", "video"),
        "DF40/CollabDiff/fake/12": ("CollabDiff_Fake", "video"),
    }
    assert not clips["DF40/heygen/heygen_new/real/v2"].is_crop  # a video is to be cropped yet
    e4e = {name: clip.label for name, clip in clips.items() if "e4e" in clip.class_name}
    assert len(e4e) == 7
    assert sum(e4e.values()) == 3


def test_diff_shares_its_reals_between_the_groups(tmp_path: Path):
    tree(
        tmp_path,
        "val/FE/Imagic/x/1.png",
        "test/FE/imagic/1.png",
        "test/T2I/FreeDoM_T/1.png",
        "test/I2I/SDXL_R/1.png",
        "DiFF_real/val/1.jpg",
        "DiFF_real/test/2.jpg",
    )
    clips = clips_of("DiFF", tmp_path)
    assert {name: (clip.class_name, clip.split) for name, clip in clips.items()} == {
        "val/FE/Imagic/x/1": ("DiFF_Imagic", "val"),
        "test/FE/imagic/1": ("DiFF_Imagic", "test"),
        "test/T2I/FreeDoM_T/1": ("DiFF_FreeDoM_T", "test"),
        "test/I2I/SDXL_R/1": ("DiFF_SDXL_Refiner", "test"),
        "DiFF_real/val/1": ("DiFF_Real", "val"),
        "DiFF_real/test/2": ("DiFF_Real", "test"),
    }
