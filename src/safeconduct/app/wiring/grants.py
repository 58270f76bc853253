"""The direction in which we give: what apps may do here in a user's name."""

from dataclasses import dataclass

from safeconduct.app.parts import Switches
from safeconduct.app.wiring.clients import ClientServices
from safeconduct.app.wiring.connections import ConnectionServices
from safeconduct.app.wiring.ground import Ground
from safeconduct.core.authorize import Rules
from safeconduct.core.authorize_parameters import RESPONSE_TYPES
from safeconduct.core.detail_types import BUILT_IN
from safeconduct.core.grants import discover
from safeconduct.services.access import Access
from safeconduct.services.authorize import Authorize
from safeconduct.services.ciba import Ciba
from safeconduct.services.deferrals import Deferrals
from safeconduct.services.delegation import Delegation
from safeconduct.services.devices import Devices
from safeconduct.services.evidence import Judging
from safeconduct.services.grants import Grants
from safeconduct.services.introspection import Introspection
from safeconduct.services.issuing import Issuing
from safeconduct.services.proofs import Proofs
from safeconduct.services.pushed_requests import PushedRequests
from safeconduct.services.replays import Replays
from safeconduct.services.request_objects import RequestObjects
from safeconduct.services.requests import Requests
from safeconduct.services.responses import Responses
from safeconduct.services.revocation import Revocation
from safeconduct.services.tokens import Tokens
from safeconduct.services.trusted_issuers import TrustedIssuers
from safeconduct.services.userinfo import Userinfo


@dataclass(frozen=True, kw_only=True)
class GrantServices:
    proofs: Proofs
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
    trusted_issuers: TrustedIssuers
    replays: Replays


def grant_services(
    ground: Ground, apps: ClientServices, connections: ConnectionServices
) -> GrantServices:
    common, keyed, reading, realms = ground.common, ground.keyed, ground.reading, ground.realms
    clients, answers = apps.clients, apps.answers
    proofs = _proofs(ground)
    requests = _requests(ground, apps)
    trusted_issuers = TrustedIssuers(**common)
    access = Access(
        **reading, clients=clients, proofs=proofs, realms=realms, api_keys=apps.api_keys
    )
    tokens = Tokens(
        **keyed,
        grants=discover(),
        proofs=proofs,
        resources=apps.resources,
        answers=answers,
        judging=Judging(
            **reading,
            clients=clients,
            access=access,
            client_keys=apps.client_keys,
            issuers=trusted_issuers,
            realms=realms,
        ),
        credentials=connections.refresh,
        realms=realms,
        detail_types=requests.rules.detail_types,
    )
    return GrantServices(
        proofs=proofs,
        authorize=Authorize(**keyed, clients=clients, requests=requests, realms=realms),
        requests=requests,
        responses=Responses(
            answers=answers, clock=ground.parts.clock, clients=clients, realms=realms
        ),
        grants=Grants(**common),
        tokens=tokens,
        devices=Devices(**keyed, realms=realms),
        deferrals=Deferrals(**keyed),
        ciba=Ciba(
            **keyed,
            clients=clients,
            objects=requests.objects,
            outbound=ground.parts.outbound,
            realms=realms,
        ),
        issuing=Issuing(**keyed, tokens=tokens),
        delegation=Delegation(
            **keyed, clients=clients, authentication=apps.authentication, tokens=tokens
        ),
        access=access,
        introspection=Introspection(
            **reading,
            clients=clients,
            access=access,
            resources=apps.resources,
            answers=answers,
            realms=realms,
        ),
        revocation=Revocation(**keyed, access=access),
        userinfo=Userinfo(
            store=ground.store, keys=ground.keys, clients=clients, answers=answers, realms=realms
        ),
        trusted_issuers=trusted_issuers,
        replays=Replays(keys=ground.keys, clock=ground.parts.clock),
    )


def _proofs(ground: Ground) -> Proofs:
    switches = ground.switches
    return Proofs(
        **ground.reading,
        origins=(ground.issuer, *switches.origins),
        nonces=switches.dpop_nonce,
        certificates=switches.client_certificates != "off",
        mtls_origin=switches.mtls_origin,
    )


def _requests(ground: Ground, apps: ClientServices) -> Requests:
    return Requests(
        pushed=PushedRequests(**ground.keyed),
        objects=RequestObjects(
            **ground.reading,
            client_keys=apps.client_keys,
            outbound=ground.parts.outbound,
            realms=ground.realms,
            fetches=ground.switches.fetch_request_uris,
        ),
        rules=_rules(ground.issuer, ground.switches),
        realms=ground.realms,
        resources=apps.resources,
    )


def _rules(issuer: str, switches: Switches) -> Rules:
    return Rules(
        issuer=issuer,
        response_types=RESPONSE_TYPES if switches.hybrid_flow else RESPONSE_TYPES[:1],
        fetch_request_uris=switches.fetch_request_uris,
        push=switches.require_pushed_authorization_requests,
        detail_types={**BUILT_IN, **switches.detail_types},
        session_management=switches.session_management,
    )
