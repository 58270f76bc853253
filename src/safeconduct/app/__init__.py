"""The composition root: settings in, a running platform out. Nothing below knows of it."""

from safeconduct.app.platform import Platform, opened
from safeconduct.app.web import Web, web_of

__all__ = ["Platform", "Web", "opened", "web_of"]
