"""The services over their ports: every use case of the product, wired once.

`assemble` knows ports only, so that tests put a clock of their own under the real services.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from safeconduct.core.authorize import Rules
from safeconduct.core.authorize_parameters import RESPONSE_TYPES
from safeconduct.core.client_auth import METHODS
from safeconduct.core.detail_types import BUILT_IN, Types
from safeconduct.core.grants import discover
from safeconduct.core.model import TenantId
from safeconduct.core.policy import DAY
from safeconduct.core.realm import ROOT
from safeconduct.core.secret import Secret
from safeconduct.core.self_registration import Allowance
from safeconduct.core.webhooks import STANDARD, Pack, pack
from safeconduct.jobs.bell import Bell, BellStore
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.certificates import Certificates
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.keyring import Keyring
from safeconduct.ports.messages import Messenger
from safeconduct.ports.outbound import Outbound
from safeconduct.ports.passkeys import Passkeys
from safeconduct.ports.passwords import Passwords
from safeconduct.ports.phones import Phones
from safeconduct.ports.store import Store
from safeconduct.ports.wallets import Wallets
from safeconduct.services.access import Access
from safeconduct.services.accounts import Accounts
from safeconduct.services.answers import Answers
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.apps import Apps
from safeconduct.services.assets import Assets
from safeconduct.services.authentication import Authentication
from safeconduct.services.authorize import Authorize
from safeconduct.services.chain import Chain
from safeconduct.services.ciba import Ciba
from safeconduct.services.client_documents import ClientDocuments
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients
from safeconduct.services.connections import (
    Checking,
    Complete,
    Connections,
    DeviceLinks,
    Disconnect,
    Discovery,
    Enter,
    GivingBack,
    IssuerClients,
    Leaving,
    Notices,
    OwnProviders,
    Providers,
    Proxy,
    Refresh,
    Start,
)
from safeconduct.services.deferrals import Deferrals
from safeconduct.services.delegation import Delegation
from safeconduct.services.denials import Denials
from safeconduct.services.devices import Devices
from safeconduct.services.erasure import Erasure
from safeconduct.services.evidence import Judging
from safeconduct.services.expiry import Expiry
from safeconduct.services.explanations import Explanations
from safeconduct.services.farewells import Farewells
from safeconduct.services.grants import Grants
from safeconduct.services.health import Health
from safeconduct.services.inbound import Inbound
from safeconduct.services.introspection import Introspection
from safeconduct.services.issuing import Issuing
from safeconduct.services.key_turning import KeyTurning
from safeconduct.services.keys import Keys
from safeconduct.services.login import Login
from safeconduct.services.managed_users import ManagedUsers
from safeconduct.services.organizations import Organizations
from safeconduct.services.passkeys import OwnPasskeys
from safeconduct.services.password_reset import PasswordReset
from safeconduct.services.passwords import OwnPassword
from safeconduct.services.platform_clients import PlatformClients
from safeconduct.services.proofs import Proofs
from safeconduct.services.pushed_requests import PushedRequests
from safeconduct.services.realms import Realms
from safeconduct.services.registration import Mode, SelfRegistration
from safeconduct.services.replays import Replays
from safeconduct.services.request_objects import RequestObjects
from safeconduct.services.requests import Requests
from safeconduct.services.resources import Resources
from safeconduct.services.responses import Responses
from safeconduct.services.revocation import Revocation
from safeconduct.services.second_factor import SecondFactor
from safeconduct.services.sectors import Sectors
from safeconduct.services.security_mail import SecurityMail
from safeconduct.services.session_codes import SessionCodes
from safeconduct.services.sessions import Sessions
from safeconduct.services.setup import Setup
from safeconduct.services.signup import Signup
from safeconduct.services.sync import Syncing
from safeconduct.services.sync_runs import SyncRuns
from safeconduct.services.tenants import Tenants
from safeconduct.services.tokens import Tokens
from safeconduct.services.trusted_issuers import TrustedIssuers
from safeconduct.services.userinfo import Userinfo
from safeconduct.services.users import Users
from safeconduct.services.vault import Vault
from safeconduct.services.vault_rotation import VaultRotation
from safeconduct.services.vouching import Vouching
from safeconduct.services.webhooks import Deliveries, FanOut, TellingStore, Webhooks
from safeconduct.services.webhooks.fan_out import Deaf
from safeconduct.web.compat import discover as surfaces
from safeconduct.web.kit.language import say


class WatchedStore(Store, Protocol):
    """A store that can be asked how it is, and that tells of other writers."""

    async def healthy(self) -> bool: ...

    def on_outside_write(self, callback: Callable[[], None]) -> None: ...

    def notice(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the services stand on."""

    store: WatchedStore
    clock: Clock
    mint: Mint
    keyring: Keyring
    passwords: Passwords
    messenger: Messenger
    texts: Messenger | None = None  # by phone; None where nobody gets text messages
    phones: Phones | None = None
    outbound: Outbound
    catalog: Catalog
    certificates: Certificates | None = None
    wallets: Wallets
    passkeys: Passkeys
    events_kept_days: int = 0  # 0: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The services. Commands use them; `web_of` puts the surfaces on top."""

    issuer: str
    tenant_id: TenantId
    first_start: bool  # this start made the deployment
    store: WatchedStore
    clock: Clock
    mint: Mint
    catalog: Catalog
    outbound: Outbound
    keys: Keys
    key_turning: KeyTurning
    realms: Realms
    clients: Clients
    client_keys: ClientKeys
    authentication: Authentication
    registration: SelfRegistration
    vouching: Vouching
    proofs: Proofs
    tenants: Tenants
    users: Users
    accounts: Accounts
    setup: Setup
    sessions: Sessions
    farewells: Farewells
    signup: Signup
    login: Login
    passkeys: OwnPasskeys
    password: OwnPassword
    password_reset: PasswordReset
    second_factor: SecondFactor
    security_mail: SecurityMail
    authorize: Authorize
    requests: Requests
    responses: Responses
    grants: Grants
    tokens: Tokens
    devices: Devices
    deferrals: Deferrals
    ciba: Ciba
    issuing: Issuing
    delegation: Delegation
    access: Access
    introspection: Introspection
    revocation: Revocation
    userinfo: Userinfo
    resources: Resources
    answers: Answers
    trusted_issuers: TrustedIssuers
    api_keys: ApiKeys
    replays: Replays
    denials: Denials
    explanations: Explanations
    expiry: Expiry
    chain: Chain
    vault: Vault
    vault_rotation: VaultRotation
    providers: Providers
    own_providers: OwnProviders
    issuer_clients: IssuerClients
    leaving: Leaving
    start: Start
    complete: Complete
    device_links: DeviceLinks
    enter: Enter
    refresh: Refresh
    disconnect: Disconnect
    giving_back: GivingBack
    connections: Connections
    checking: Checking
    proxy: Proxy
    notices: Notices
    syncing: Syncing
    erasure: Erasure
    assets: Assets
    organizations: Organizations
    platform_clients: PlatformClients
    session_codes: SessionCodes
    managed_users: ManagedUsers
    apps: Apps
    webhooks: Webhooks
    deliveries: Deliveries
    fan_out: FanOut
    health: Health
    sync_runs: SyncRuns
    inbound: Inbound
    bell: Bell
    ciba_test_hook: Secret | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What a deployment may choose; the settings of the same names."""

    client_secret_jwt: bool = False
    sms_countries: tuple[str, ...] = ()  # for tenants that list none
    registration: Mode = "off"
    registration_require_pkce: bool = True
    registration_assertion_audience: Literal["issuer", "endpoint"] = "issuer"
    client_certificates: Literal["off", "tls", "proxy"] = "off"
    mtls_origin: str | None = None  # where certificates are asked for (RFC 8705 §5)
    origins: tuple[str, ...] = ()  # under which it is known besides its issuer
    dpop_nonce: bool = False  # proofs need a nonce of ours (RFC 9449 §8, §9)
    hybrid_flow: bool = False
    require_pushed_authorization_requests: bool = False
    fetch_request_uris: bool = False
    detail_types: Types = field(default_factory=dict)
    client_documents: bool = True
    ciba_test_hook: Secret | None = None
    session_management: bool = False
    key_rotation_days: int = 90
    client_document_allow: tuple[str, ...] = ()
    client_document_deny: tuple[str, ...] = ()


OFF = Switches()


def _switched(switches: Switches, certificates: Certificates | None) -> tuple[str, ...]:
    """The methods of client authentication that the operator has turned on."""
    found = ("client_secret_jwt",) if switches.client_secret_jwt else ()
    if switches.client_certificates != "off" and certificates is not None:
        pki = ("tls_client_auth",) if certificates.has_authorities else ()
        found += (*pki, "self_signed_tls_client_auth")
    return found


def _rules(issuer: str, switches: Switches) -> Rules:
    return Rules(
        issuer=issuer,
        response_types=RESPONSE_TYPES if switches.hybrid_flow else RESPONSE_TYPES[:1],
        fetch_request_uris=switches.fetch_request_uris,
        push=switches.require_pushed_authorization_requests,
        detail_types={**BUILT_IN, **switches.detail_types},
        session_management=switches.session_management,
    )


def packs() -> dict[str, Pack]:
    """How webhooks look: our own way, and that of each surface which has one."""
    own = {surface.name: surface.pack for surface in surfaces().values() if surface.pack}
    return {STANDARD: pack, **own}


def assemble(
    issuer: str, parts: Parts, *, first_start: bool = False, switches: Switches = OFF
) -> Platform:
    """Wire the services. `keys.load()` is the caller's next step."""
    bell, clock, mint = Bell(), parts.clock, parts.mint
    deaf = Deaf()
    parts.store.on_outside_write(deaf.forget)
    # Whoever enqueues a job wakes the runner, and whoever tells of something enqueues one
    store = TellingStore(BellStore(parts.store, bell), deaf, clock, mint)
    common: dict[str, Any] = {"store": store, "clock": clock, "mint": mint}
    grants = discover()
    keys = Keys(**common, keyring=parts.keyring)
    denials = Denials(clock=clock, mint=mint, store=store)
    realms = Realms(keys, issuer, switches.registration)
    methods = METHODS + _switched(switches, parts.certificates)
    resources = Resources(**common)
    documents = ClientDocuments(
        outbound=parts.outbound,
        clock=clock,
        realms=realms,
        grant_types=grants,
        resources=resources,
        allow=switches.client_document_allow,
        deny=switches.client_document_deny,
    )
    clients = Clients(
        **common,
        keys=keys,
        grant_types=grants,
        methods=methods,
        sectors=Sectors(parts.outbound),
        documents=documents if switches.client_documents else None,
    )
    client_keys = ClientKeys(keyring=parts.keyring, outbound=parts.outbound, clock=clock)
    authentication = Authentication(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        client_keys=client_keys,
        certificates=parts.certificates,
        realms=realms,
    )
    texting: dict[str, Any] = {
        "texts": parts.texts,
        "phones": parts.phones,
        "countries": switches.sms_countries,
    }
    users = Users(**common, passwords=parts.passwords)
    sessions = Sessions(**common, keys=keys, realms=realms)
    login = Login(**common, keys=keys, passwords=parts.passwords, sessions=sessions)
    signup = Signup(
        **common,
        keys=keys,
        messenger=parts.messenger,
        sessions=sessions,
        realms=realms,
        **texting,
    )
    api_keys = ApiKeys(**common, keys=keys, realms=realms)
    proofs = Proofs(
        store=store,
        keys=keys,
        clock=clock,
        origins=(issuer, *switches.origins),
        nonces=switches.dpop_nonce,
        certificates=switches.client_certificates != "off",
        mtls_origin=switches.mtls_origin,
    )
    rules = _rules(issuer, switches)
    requests = Requests(
        pushed=PushedRequests(**common, keys=keys),
        objects=RequestObjects(
            store=store,
            keys=keys,
            client_keys=client_keys,
            outbound=parts.outbound,
            clock=clock,
            realms=realms,
            fetches=switches.fetch_request_uris,
        ),
        rules=rules,
        realms=realms,
        resources=resources,
    )
    access = Access(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        proofs=proofs,
        realms=realms,
        api_keys=api_keys,
    )
    answers = Answers(keys=keys, client_keys=client_keys, keyring=parts.keyring)
    vault = Vault(keys)
    issuer_clients = IssuerClients(**common, vault=vault, outbound=parts.outbound, realms=realms)
    providers = Providers(**common, vault=vault, catalog=parts.catalog, clients=issuer_clients)
    discovery = Discovery(outbound=parts.outbound, clock=clock)
    there: dict[str, Any] = {"vault": vault, "providers": providers, "outbound": parts.outbound}
    refresh = Refresh(**common, **there)
    checking = Checking(**common, credentials=refresh, outbound=parts.outbound)
    trusted_issuers = TrustedIssuers(**common)
    judging = Judging(
        store=store,
        keys=keys,
        clock=clock,
        clients=clients,
        access=access,
        client_keys=client_keys,
        issuers=trusted_issuers,
        realms=realms,
    )
    tokens = Tokens(
        **common,
        keys=keys,
        grants=grants,
        proofs=proofs,
        resources=resources,
        answers=answers,
        judging=judging,
        credentials=refresh,
        realms=realms,
        detail_types=rules.detail_types,
    )
    assets = Assets(**common, keys=keys, catalog=parts.catalog)
    disconnect = Disconnect(**common, vault=vault)
    connections = Connections(store=store, catalog=parts.catalog, disconnects=disconnect)
    start = Start(**common, **there, keys=keys, realms=realms)
    complete = Complete(**common, **there, keys=keys, client_keys=client_keys)
    session_codes = SessionCodes(**common, keys=keys)
    return Platform(
        issuer=issuer,
        tenant_id=ROOT,
        first_start=first_start,
        catalog=parts.catalog,
        outbound=parts.outbound,
        keys=keys,
        key_turning=KeyTurning(
            store=store, keys=keys, clock=clock, every_ms=switches.key_rotation_days * DAY
        ),
        realms=realms,
        clients=clients,
        client_keys=client_keys,
        authentication=authentication,
        registration=SelfRegistration(
            **common,
            keys=keys,
            clients=clients,
            client_keys=client_keys,
            authentication=authentication,
            realms=realms,
            resources=resources,
            usual=Allowance(
                require_pkce=switches.registration_require_pkce,
                assertion_audience=switches.registration_assertion_audience,
            ),
        ),
        vouching=Vouching(**common, keys=keys, clients=clients),
        proofs=proofs,
        tenants=Tenants(**common, keys=keys, realms=realms, clients=clients),
        users=users,
        accounts=Accounts(**common),
        setup=Setup(**common, keys=keys, passwords=parts.passwords, sessions=sessions),
        sessions=sessions,
        farewells=Farewells(
            **common,
            keys=keys,
            clients=clients,
            answers=answers,
            outbound=parts.outbound,
            realms=realms,
        ),
        signup=signup,
        login=login,
        passkeys=OwnPasskeys(**common, passkeys=parts.passkeys, sessions=sessions),
        password_reset=PasswordReset(
            **common, keys=keys, passwords=parts.passwords, sessions=sessions, signup=signup
        ),
        second_factor=SecondFactor(**common, keys=keys, vault=vault, sessions=sessions),
        security_mail=SecurityMail(
            store=store,
            keys=keys,
            clock=clock,
            realms=realms,
            messenger=parts.messenger,
            texts=parts.texts,
            say=say,
        ),
        password=OwnPassword(
            **common, passwords=parts.passwords, sessions=sessions, users=users, login=login
        ),
        authorize=Authorize(**common, keys=keys, clients=clients, requests=requests, realms=realms),
        requests=requests,
        responses=Responses(answers=answers, clock=clock, clients=clients, realms=realms),
        grants=Grants(**common),
        tokens=tokens,
        devices=Devices(**common, keys=keys, realms=realms),
        ciba=Ciba(
            **common,
            keys=keys,
            clients=clients,
            objects=requests.objects,
            outbound=parts.outbound,
            realms=realms,
        ),
        deferrals=Deferrals(**common, keys=keys),
        issuing=Issuing(**common, keys=keys, tokens=tokens),
        delegation=Delegation(
            **common,
            keys=keys,
            clients=clients,
            authentication=authentication,
            tokens=tokens,
        ),
        access=access,
        introspection=Introspection(
            store=store,
            keys=keys,
            clock=clock,
            clients=clients,
            access=access,
            resources=resources,
            answers=answers,
            realms=realms,
        ),
        revocation=Revocation(**common, keys=keys, access=access),
        userinfo=Userinfo(store=store, keys=keys, clients=clients, answers=answers, realms=realms),
        resources=resources,
        answers=answers,
        trusted_issuers=trusted_issuers,
        api_keys=api_keys,
        replays=Replays(keys=keys, clock=clock),
        denials=denials,
        explanations=Explanations(store=store, denials=denials),
        expiry=Expiry(store=store, clock=clock),
        chain=Chain(store=store, keys=keys, clock=clock, kept_days=parts.events_kept_days),
        vault=vault,
        vault_rotation=VaultRotation(**common, keys=keys, vault=vault),
        providers=providers,
        own_providers=OwnProviders(**common, vault=vault, providers=providers, discovery=discovery),
        issuer_clients=issuer_clients,
        leaving=Leaving(store=store, clock=clock, disconnect=disconnect),
        start=start,
        device_links=DeviceLinks(**common, **there, start=start, client_keys=client_keys),
        complete=complete,
        enter=Enter(**common, **there, wallets=parts.wallets, realms=realms),
        refresh=refresh,
        notices=Notices(**common),
        checking=checking,
        proxy=Proxy(
            **common, keys=keys, credentials=refresh, checking=checking, outbound=parts.outbound
        ),
        disconnect=disconnect,
        giving_back=GivingBack(**common, **there),
        connections=connections,
        syncing=Syncing(**common, credentials=refresh, outbound=parts.outbound),
        erasure=Erasure(store=store, clock=clock),
        assets=assets,
        health=Health(store=store, keys=keys, clock=clock, assets=assets),
        sync_runs=SyncRuns(store=store, clock=clock, assets=assets, catalog=parts.catalog),
        inbound=Inbound(**common, providers=providers),
        organizations=Organizations(**common),
        platform_clients=PlatformClients(**common, clients=clients, vault=vault, realms=realms),
        session_codes=session_codes,
        managed_users=ManagedUsers(
            **common,
            keys=keys,
            tokens=tokens,
            codes=session_codes,
            connections=connections,
            disconnect=disconnect,
            realms=realms,
        ),
        apps=Apps(
            **common,
            catalog=parts.catalog,
            start=start,
            complete=complete,
            connections=connections,
            disconnect=disconnect,
        ),
        webhooks=Webhooks(**common, vault=vault, deaf=deaf),
        deliveries=Deliveries(
            **common, vault=vault, outbound=parts.outbound, realms=realms, packs=packs()
        ),
        fan_out=FanOut(**common, deaf=deaf),
        bell=bell,
        ciba_test_hook=switches.ciba_test_hook,
        store=parts.store,
        clock=clock,
        mint=mint,
    )
