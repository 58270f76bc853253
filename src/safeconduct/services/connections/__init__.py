"""Connections: begun, finished, kept alive, read, ended.

Start ─▶ Complete ─┬▶ Refresh … ─▶ Disconnect ─▶ GivingBack
Enter ─────────────┘
"""

from safeconduct.services.connections.attach import Completed, NotCompleted
from safeconduct.services.connections.checking import Checking
from safeconduct.services.connections.complete import Complete, Returning
from safeconduct.services.connections.device_links import DeviceLinks, Linking
from safeconduct.services.connections.disconnect import Disconnect
from safeconduct.services.connections.discovery import Discovery
from safeconduct.services.connections.enter import Challenge, Enter
from safeconduct.services.connections.giving_back import GivingBack
from safeconduct.services.connections.issuer_clients import IssuerClients
from safeconduct.services.connections.leaving import Leaving
from safeconduct.services.connections.notices import Notices
from safeconduct.services.connections.own_providers import OwnProviders
from safeconduct.services.connections.providers import Providers
from safeconduct.services.connections.proxying import Answered, Caller, Forward, Proxy
from safeconduct.services.connections.reading import Connections
from safeconduct.services.connections.refresh import LiveCredential, Refresh
from safeconduct.services.connections.start import Start, Started, Starter

__all__ = [
    "Answered",
    "Caller",
    "Challenge",
    "Checking",
    "Complete",
    "Completed",
    "Connections",
    "DeviceLinks",
    "Disconnect",
    "Discovery",
    "Enter",
    "Forward",
    "GivingBack",
    "IssuerClients",
    "Leaving",
    "Linking",
    "LiveCredential",
    "NotCompleted",
    "Notices",
    "OwnProviders",
    "Providers",
    "Proxy",
    "Refresh",
    "Returning",
    "Start",
    "Started",
    "Starter",
]
