"""Settings: flags, environment and one optional TOML file become one frozen value, once."""

from safeconduct.settings.problems import detail_types
from safeconduct.settings.schema import NAMES, Settings, describe
from safeconduct.settings.sources import PREFIX, Loaded, SettingsError, load

__all__ = [
    "NAMES",
    "PREFIX",
    "Loaded",
    "Settings",
    "SettingsError",
    "describe",
    "detail_types",
    "load",
]
