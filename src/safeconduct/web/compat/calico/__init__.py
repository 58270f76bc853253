"""Calico's Platform API: version 2 (`{data, errors}`) here, version 1 (flat bodies) in `v1`."""

from safeconduct.web.compat.calico.routes import SURFACE

__all__ = ["SURFACE"]
