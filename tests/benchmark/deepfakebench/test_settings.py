"""A configuration as DeepfakeBench's files read it."""

import copy

import pytest

from benchmark.deepfakebench.settings import pretrained_file, settings_of
from config.errors import InputError
from config.schema import DetectorConfig
from detectors.backbones.xception import Xception


def config(**settings: object) -> DetectorConfig:
    return DetectorConfig(**{"model_name": "mine", "backbone_name": "of_the_file"} | settings)


def test_keys_are_deepfakebenchs_and_options_are_among_them_at_any_depth():
    typed = config(mean=(0.1, 0.2, 0.3), options={"lambda": 2, "backbone_config": {"depth": 3}})
    settings = copy.deepcopy(settings_of(typed))
    assert isinstance(settings, dict)
    assert (settings["optimizer"]["adam"]["lr"], settings["mean"]) == (2e-4, [0.1, 0.2, 0.3])
    assert settings["pretrained"] is None
    assert (settings["lambda"], settings["backbone_config"]["depth"], settings["backbone_config"]["inc"]) == (2, 3, 3)
    assert settings.get("absent", 5) == 5
    assert "options" not in settings
    assert (settings.resolution, settings.optimizer.adam.lr) == (256, 2e-4)


def test_a_key_that_is_missing_is_a_sentence_to_the_user_and_a_key_error_to_the_file():
    settings = settings_of(config())
    with pytest.raises(InputError) as error:
        settings["qqq"]
    assert str(error.value) == (
        "the configuration of mine has no key 'qqq', which the plugin reads, a method's own keys from below 'options'"
    )
    with pytest.raises(KeyError, match=r"backbone_config of the configuration of mine .*did you mean 'num_classes'"):
        settings["backbone_config"]["num_class"]
    with pytest.raises(AttributeError):
        settings.no_such_field  # noqa: B018


@pytest.mark.parametrize("options", [{"resolution": 64}, {"backbone_config": {"inc": 1}}, {"optimizer": 3}])
def test_an_option_does_not_stand_in_for_a_key(options):
    with pytest.raises(InputError, match=r"options\.\w+(\.inc)?: '.*' is a key of every detector; set it there"):
        settings_of(config(options=options))


def test_imagenet_is_the_file_of_a_backbone_of_the_project_only():
    known = config(backbone_name="xception", pretrained="imagenet")
    assert settings_of(known)["pretrained"] == str(pretrained_file(known)) == Xception.imagenet
    with pytest.raises(InputError, match="pretrained: expected the path of a file for of_the_file, not 'imagenet'"):
        settings_of(config(pretrained="imagenet"))
