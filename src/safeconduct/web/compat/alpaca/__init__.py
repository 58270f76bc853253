"""Alpaca's Broker API for OAuth: a broker that lets apps into the accounts it holds."""

from safeconduct.web.compat.alpaca.routes import SURFACE

__all__ = ["SURFACE"]
