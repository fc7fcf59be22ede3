"""Assignments to a configuration, "key=value", as `--set` takes them."""

import math
from typing import Any

import yaml


def assignment(key: str, value: Any) -> str:
    """The assignment of a value to a key, from which `config.load` reads an equal value."""
    return f"{key}={in_yaml(value)}"


def in_yaml(value: Any) -> str:
    """A value as YAML on one line; JSON's floats are strings there if they have an exponent and no point."""
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n").strip()
