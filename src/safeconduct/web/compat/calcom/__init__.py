"""Cal.com's platform: `{status, data}`, integer ids, permission names over a bit mask."""

from safeconduct.web.compat.calcom.routes import SURFACE

__all__ = ["SURFACE"]
