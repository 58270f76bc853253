"""Checks Safeconduct's access tokens: a verifier, and an ASGI middleware around it."""

from safeconduct_verify.asgi import Protect
from safeconduct_verify.verifier import Refused, Token, Verifier

__all__ = ["Protect", "Refused", "Token", "Verifier"]
