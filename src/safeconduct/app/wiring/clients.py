"""The apps that ask us: how they become known, authenticate and are answered."""

from dataclasses import dataclass

from safeconduct.app.parts import Switches
from safeconduct.app.wiring.ground import Ground
from safeconduct.core.client_auth import METHODS
from safeconduct.core.grants import discover
from safeconduct.core.self_registration import Allowance
from safeconduct.ports.certificates import Certificates
from safeconduct.services.answers import Answers
from safeconduct.services.api_keys import ApiKeys
from safeconduct.services.authentication import Authentication
from safeconduct.services.client_documents import ClientDocuments
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients
from safeconduct.services.platform_clients import PlatformClients
from safeconduct.services.registration import SelfRegistration
from safeconduct.services.resources import Resources
from safeconduct.services.sectors import Sectors
from safeconduct.services.tenants import Tenants
from safeconduct.services.vouching import Vouching


@dataclass(frozen=True, kw_only=True)
class ClientServices:
    clients: Clients
    client_keys: ClientKeys
    authentication: Authentication
    registration: SelfRegistration
    vouching: Vouching
    tenants: Tenants
    resources: Resources
    answers: Answers
    api_keys: ApiKeys
    platform_clients: PlatformClients


def client_services(ground: Ground) -> ClientServices:
    parts, realms = ground.parts, ground.realms
    clients = _clients(ground)
    client_keys = ClientKeys(keyring=parts.keyring, outbound=parts.outbound, clock=parts.clock)
    authentication = Authentication(
        **ground.reading,
        clients=clients,
        client_keys=client_keys,
        certificates=parts.certificates,
        realms=realms,
    )
    return ClientServices(
        clients=clients,
        client_keys=client_keys,
        authentication=authentication,
        registration=SelfRegistration(
            **ground.keyed,
            clients=clients,
            client_keys=client_keys,
            authentication=authentication,
            realms=realms,
            resources=ground.resources,
            usual=_allowance(ground.switches),
        ),
        vouching=Vouching(**ground.keyed, clients=clients),
        tenants=Tenants(**ground.keyed, realms=realms, clients=clients),
        resources=ground.resources,
        answers=Answers(keys=ground.keys, client_keys=client_keys, keyring=parts.keyring),
        api_keys=ApiKeys(**ground.keyed, realms=realms),
        platform_clients=PlatformClients(
            **ground.common, clients=clients, vault=ground.vault, realms=realms
        ),
    )


def _clients(ground: Ground) -> Clients:
    parts, switches = ground.parts, ground.switches
    grants = discover()
    documents = ClientDocuments(
        outbound=parts.outbound,
        clock=parts.clock,
        realms=ground.realms,
        grant_types=grants,
        resources=ground.resources,
        allow=switches.client_document_allow,
        deny=switches.client_document_deny,
    )
    return Clients(
        **ground.keyed,
        grant_types=grants,
        methods=METHODS + _switched(switches, parts.certificates),
        sectors=Sectors(parts.outbound),
        documents=documents if switches.client_documents else None,
    )


def _switched(switches: Switches, certificates: Certificates | None) -> tuple[str, ...]:
    """The methods of client authentication that the operator has turned on."""
    found = ("client_secret_jwt",) if switches.client_secret_jwt else ()
    if switches.client_certificates != "off" and certificates is not None:
        pki = ("tls_client_auth",) if certificates.has_authorities else ()
        found += (*pki, "self_signed_tls_client_auth")
    return found


def _allowance(switches: Switches) -> Allowance:
    return Allowance(
        require_pkce=switches.registration_require_pkce,
        assertion_audience=switches.registration_assertion_audience,
    )
