"""A detector's configuration as DeepfakeBench's files read it: a dict with DeepfakeBench's keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.errors import InputError, nearest
from config.load import merged
from config.schema import DetectorConfig
from detectors import BACKBONE
from detectors.backbones.base import IMAGENET


class MissingKeyError(InputError, KeyError):
    """A file reads a key that the configuration lacks; to the file it is the `KeyError` of a dict."""

    __str__ = Exception.__str__


class Keys(dict[str, Any]):
    """A dict, at every depth, that answers a key it lacks with a sentence.

    Args:
        values: what it holds.
        where: what that is, for the sentence.
    """

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        super().__init__(
            {
                key: Keys(value, f"{key} of {where}") if isinstance(value, Mapping) else value
                for key, value in values.items()
            }
        )
        self._where = where

    def __missing__(self, key: str) -> Any:
        close = nearest(str(key), map(str, self))
        raise MissingKeyError(
            f"{self._where} has no key '{key}', which the plugin reads, a method's own keys from below 'options'"
            + (f"; did you mean '{close}'?" if close else "")
        )


class Settings(Keys):
    """What a detector keeps as `config`: its file finds the keys of a dict, the project the typed attributes.

    Args:
        values: the dict.
        typed: the configuration.
    """

    def __init__(self, values: Mapping[str, Any], typed: DetectorConfig) -> None:
        super().__init__(values, f"the configuration of {typed.model_name}")
        self._typed = typed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for of copies that are not filled yet
            raise AttributeError(name)
        return getattr(self._typed, name)


def settings_of(config: DetectorConfig) -> Settings:
    """All keys of a configuration, and among them the method's own, which its `options` hold.

    `options` may also add keys to a block (`backbone_config`). `pretrained` is the path of a file.

    Raises:
        InputError: an option has the name of a key that has a value already, or as for `pretrained_file`.
    """
    keys = config.model_dump(mode="json", exclude={"options"})
    _refuse_double(keys, config.options)
    file = pretrained_file(config)
    return Settings(merged(keys, config.options) | {"pretrained": file and str(file)}, config)


def pretrained_file(config: DetectorConfig) -> Path | None:
    """The file that `pretrained` names, which need not be there; `imagenet` is that of a backbone of this project.

    Raises:
        InputError: `imagenet`, but the plugin brings the backbone.
    """
    if config.pretrained is None:
        return None
    if config.backbone_name in BACKBONE:
        return BACKBONE[config.backbone_name].imagenet_file(config.pretrained)
    if config.pretrained == IMAGENET:
        raise InputError(f"pretrained: expected the path of a file for {config.backbone_name}, not '{IMAGENET}'")
    return Path(config.pretrained)


def _refuse_double(keys: Mapping[str, Any], options: Mapping[str, Any], above: str = "") -> None:
    for name, value in options.items():
        if name not in keys:
            continue
        if not (isinstance(value, Mapping) and isinstance(keys[name], Mapping)):
            raise InputError(f"options.{above}{name}: '{above}{name}' is a key of every detector; set it there")
        _refuse_double(keys[name], value, f"{above}{name}.")
