"""One module per grant, each exporting `GRANT`. The folder is the registry."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from safeconduct.core.grants._grant import Grant


def discover() -> Mapping[str, Grant]:
    """Every grant there is, by the value of `grant_type` that names it."""
    names = sorted(module.name for module in iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names if not name.startswith("_")]
    found: list[Grant] = [module.GRANT for module in modules]
    return {grant.name: grant for grant in found}
