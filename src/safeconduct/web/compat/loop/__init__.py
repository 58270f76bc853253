"""Loop Health's integrations service: link a device, list, read now, unlink."""

from safeconduct.web.compat.loop.routes import SURFACE

__all__ = ["SURFACE"]
