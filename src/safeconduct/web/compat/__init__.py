"""One folder per surface, each exporting `SURFACE`. The folder is the registry."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from safeconduct.web.kit.surface import Surface


def discover(*more: str) -> Mapping[str, Surface]:
    """Every surface there is, by name; `more` names modules elsewhere that export one."""
    here = sorted(module.name for module in iter_modules(__path__))
    modules = [*(f"{__name__}.{name}" for name in here), *more]
    found: list[Surface] = [import_module(name).SURFACE for name in modules]
    return {surface.name: surface for surface in found}
