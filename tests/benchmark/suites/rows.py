"""What the rows of a shipped suite train, and in what they differ."""

from typing import Any

from config.load import load_config
from config.schema import DetectorConfig
from config.suite import SuiteConfig


def configs(name: str) -> dict[str, DetectorConfig]:
    """What each row of a suite trains."""
    suite = load_config(SuiteConfig, name)
    return {row.name: load_config(DetectorConfig, row.detector, row.overrides(suite.train)) for row in suite.rows}


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys as dotted ones."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def changes(config: DetectorConfig, plain: DetectorConfig) -> dict[str, Any]:
    """What of a configuration another one has not, or with another value."""
    found, known = (flat(one.model_dump(mode="json")) for one in (config, plain))
    return {key: value for key, value in found.items() if key not in known or known[key] != value}
