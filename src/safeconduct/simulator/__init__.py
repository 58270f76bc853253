"""Providers to try everything against: real HTTP, made from the catalogue's entries.

{base}/{provider}/authorize · login · token · refresh · revoke · api/…
{base}/_sim/ledger · faults · options · clock · accounts · activity · revoke · reset
"""

from safeconduct.simulator.options import CLIENT_ID, CLIENT_SECRET
from safeconduct.simulator.server import Simulator, serve_simulator, speaks

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "Simulator", "serve_simulator", "speaks"]
