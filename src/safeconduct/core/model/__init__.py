"""The records: what Safeconduct remembers, one module per subject.

Importing this package declares every record, which is how the store learns its schema.
"""

from safeconduct.core.model.api_key import ApiKey, Replay
from safeconduct.core.model.client import Client, ClientSecret
from safeconduct.core.model.connection import (
    Attempt,
    Connection,
    Credential,
    DeviceLink,
    ProviderSetting,
    SigningSecret,
)
from safeconduct.core.model.deferred import Deferred
from safeconduct.core.model.denial import Denial
from safeconduct.core.model.event import Event, EventLink
from safeconduct.core.model.factor import Authenticator, Passkey, RecoveryCode
from safeconduct.core.model.grant import Grant
from safeconduct.core.model.health import HealthRecord
from safeconduct.core.model.job import Job
from safeconduct.core.model.key import Key
from safeconduct.core.model.ledger import Leg, Position, RawRecord, Sync, Transaction
from safeconduct.core.model.organization import (
    InstalledApp,
    ManagedBlock,
    ManagedUser,
    Membership,
    PlatformClient,
    Team,
)
from safeconduct.core.model.provider_entry import (
    IssuerClient,
    IssuerRegistration,
    ProviderEntry,
    SupersededEntry,
)
from safeconduct.core.model.pushed_request import PushedRequest
from safeconduct.core.model.record import RECORDS, Index, Json, TenantId, Words, shape
from safeconduct.core.model.registration import InitialAccessToken, Registration, StatementIssuer
from safeconduct.core.model.resource import Resource, TrustedIssuer
from safeconduct.core.model.tenant import Counter, Directory, HighWater, Spent, Tenant, TenantLogo
from safeconduct.core.model.token import AccessToken, Code, DeniedToken, TokenFamily
from safeconduct.core.model.user import Account, Identifier, Session, User
from safeconduct.core.model.webhook import Delivery, WebhookEndpoint, WebhookSecret

__all__ = [
    "RECORDS",
    "AccessToken",
    "Account",
    "ApiKey",
    "Attempt",
    "Authenticator",
    "Client",
    "ClientSecret",
    "Code",
    "Connection",
    "Counter",
    "Credential",
    "Deferred",
    "Delivery",
    "Denial",
    "DeniedToken",
    "DeviceLink",
    "Directory",
    "Event",
    "EventLink",
    "Grant",
    "HealthRecord",
    "HighWater",
    "Identifier",
    "Index",
    "InitialAccessToken",
    "InstalledApp",
    "IssuerClient",
    "IssuerRegistration",
    "Job",
    "Json",
    "Key",
    "Leg",
    "ManagedBlock",
    "ManagedUser",
    "Membership",
    "Passkey",
    "PlatformClient",
    "Position",
    "ProviderEntry",
    "ProviderSetting",
    "PushedRequest",
    "RawRecord",
    "RecoveryCode",
    "Registration",
    "Replay",
    "Resource",
    "Session",
    "SigningSecret",
    "Spent",
    "StatementIssuer",
    "SupersededEntry",
    "Sync",
    "Team",
    "Tenant",
    "TenantId",
    "TenantLogo",
    "TokenFamily",
    "Transaction",
    "TrustedIssuer",
    "User",
    "WebhookEndpoint",
    "WebhookSecret",
    "Words",
    "shape",
]
