"""The composition root: settings in, a running platform out. Nothing below knows of it."""

from safeconduct.app.opening import ensure_tenant, opened
from safeconduct.app.parts import Parts, Switches
from safeconduct.app.platform import Platform, assemble
from safeconduct.app.web import Web, web_of
from safeconduct.app.work import runner_of, working

__all__ = [
    "Parts",
    "Platform",
    "Switches",
    "Web",
    "assemble",
    "ensure_tenant",
    "opened",
    "runner_of",
    "web_of",
    "working",
]
