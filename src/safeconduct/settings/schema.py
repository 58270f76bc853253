"""Everything an operator can choose, with what each choice is for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import unquote

import msgspec
from msgspec import Meta

from safeconduct.core.secret import Secret


def _says(text: str) -> Any:
    return Meta(description=text)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything an operator can choose. The description of each is its documentation."""

    host: Annotated[str, _says("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _says("Port to listen on.")] = 8400
    issuer: Annotated[
        str,
        _says(
            "The public origin of this server, as its clients see it, without a slash at the end. "
            "It must be https, but for a loopback address."
        ),
    ] = ""
    data_dir: Annotated[
        Path, _says("Where the root key lies, and the database if `database` says nothing else.")
    ] = Path("data")
    database: Annotated[
        str,
        _says(
            "`sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/name`."
        ),
    ] = ""
    root_key_file: Annotated[
        Path | None,
        _says("The key that wraps all other keys: 64 hexadecimal digits. Made at the first start."),
    ] = None
    root_key_source: Annotated[
        str,
        _says(
            "The same key in place of a file: `env:NAME`, or `pkcs11:token=…;object=…?module-path=…"
            "&pin-source=…` for one that never leaves its token."
        ),
    ] = ""
    previous_root_key_files: Annotated[
        tuple[Path, ...],
        _says(
            "Root keys (files or sources) that still open what they wrapped, until "
            "`safeconduct vault rotate`."
        ),
    ] = ()
    tenant_root_keys: Annotated[
        tuple[str, ...],
        _says(
            "Root keys that tenants hold themselves, as `tenant=source`; of several for one tenant "
            "the first is in use. Without its key a tenant is sealed, and so are its backups."
        ),
    ] = ()
    events_kept_days: Annotated[
        int,
        _says("For how many days the log of events is kept; 0 keeps it for ever."),
    ] = 400
    workers: Annotated[int, _says("Serving processes. More than one needs PostgreSQL.")] = 1
    metrics_port: Annotated[
        int,
        _says(
            "Port on which `/metrics` is served to Prometheus, by nothing else; 0 counts nothing. "
            "The second worker takes the port behind it, and so on."
        ),
    ] = 0
    metrics_host: Annotated[
        str, _says("Address to serve `/metrics` on. Whoever reaches it may read it.")
    ] = "127.0.0.1"
    tls_cert: Annotated[
        Path | None, _says("Certificate chain (PEM) to serve TLS directly, with `tls_key`.")
    ] = None
    tls_key: Annotated[Path | None, _says("Private key (PEM) of `tls_cert`.")] = None
    trusted_proxies: Annotated[
        tuple[str, ...],
        _says("Addresses or networks whose `X-Forwarded-For` and `X-Forwarded-Proto` count."),
    ] = ()
    client_secret_jwt: Annotated[
        bool,
        _says(
            "Let clients authenticate by `client_secret_jwt`. Their secrets then lie in the vault, "
            "where this server can read them; `private_key_jwt` needs no such thing."
        ),
    ] = False
    dpop_nonce: Annotated[
        bool, _says("Require a nonce of this server in DPoP proofs (RFC 9449 §8, §9).")
    ] = False
    hybrid_flow: Annotated[
        bool,
        _says(
            "Offer the response type `code id_token` to clients that are registered for it. The "
            "authorization code flow needs no ID token in the browser."
        ),
    ] = False
    require_pushed_authorization_requests: Annotated[
        bool,
        _says(
            "Take authorization requests only from clients that have pushed them (RFC 9126 §5), "
            "of all tenants. A tenant's policy of the same name does it for one."
        ),
    ] = False
    fetch_request_uris: Annotated[
        bool,
        _says(
            "Fetch request objects (RFC 9101) from addresses that clients have registered as "
            "`request_uris`. Pushed requests (RFC 9126) need no such thing."
        ),
    ] = False
    authorization_details_file: Annotated[
        Path | None,
        _says("Further types of authorization details (RFC 9396), a TOML file of types by name."),
    ] = None
    client_certificates: Annotated[
        Literal["off", "tls", "proxy"],
        _says(
            "Clients may show certificates (RFC 8705): to this server's TLS (`tls`), or to a "
            "trusted proxy that passes them on in a header (`proxy`)."
        ),
    ] = "off"
    client_certificate_header: Annotated[
        str,
        _says(
            "The header in which a trusted proxy passes a client certificate on: as RFC 9440 "
            "says, or as URL-encoded PEM (nginx's `$ssl_client_escaped_cert`)."
        ),
    ] = "client-cert"
    client_ca: Annotated[
        Path | None,
        _says(
            "Authorities (PEM), intermediate ones too, whose certificates `tls_client_auth` takes."
        ),
    ] = None
    mtls_origin: Annotated[
        str | None,
        _says(
            "The origin at which certificates are asked for, if it is not the issuer; it is "
            "published as `mtls_endpoint_aliases`."
        ),
    ] = None
    egress_allow: Annotated[
        tuple[str, ...],
        _says("Hosts or networks that providers may live at although they are private."),
    ] = ()
    egress_ca: Annotated[
        Path | None, _says("Further certificate authorities (PEM) for connections to providers.")
    ] = None
    simulators: Annotated[
        str | None,
        _says("Origin of `safeconduct simulate`; catalogue entries then point at it."),
    ] = None
    surface_hosts: Annotated[
        tuple[str, ...],
        _says(
            "Host names at which one compatibility surface answers besides the issuer, each as "
            "`surface=host`, for example `calico=api.example.com`."
        ),
    ] = ()
    smtp_url: Annotated[
        Secret | None,
        _says("`smtp://user:password@host:587` (STARTTLS when offered) or `smtps://…:465`."),
    ] = None
    smtp_from: Annotated[
        str, _says("Sender of messages. By default `no-reply@` and the issuer's host.")
    ] = ""
    sms_url: Annotated[
        Secret | None,
        _says(
            "Gateway for codes by phone: `twilio://SID:TOKEN@api.twilio.com?from=NUMBER` (or a "
            "messaging service's id), or `smtp://…` to get them as mail while developing."
        ),
    ] = None
    sms_countries: Annotated[
        tuple[str, ...],
        _says("Countries to whose phones codes are sent, as `DE,FR`; a tenant may list its own."),
    ] = ()
    registration: Annotated[
        Literal["off", "token", "statement", "open"],
        _says(
            "Whether apps may register themselves (RFC 7591): `off`, with an initial access "
            "`token`, with a software `statement` of a trusted issuer, or `open` to anybody."
        ),
    ] = "off"
    registration_require_pkce: Annotated[
        bool,
        _says(
            "Whether confidential apps that registered themselves must use PKCE, as all others "
            "must. Set to false for OpenID clients that know only `nonce`."
        ),
    ] = True
    registration_assertion_audience: Annotated[
        Literal["issuer", "endpoint"],
        _says(
            "Whom the assertions of apps that registered themselves are made out to: the `issuer` "
            "alone, or also the `endpoint` they are sent to, as OpenID Connect Core §9 has it."
        ),
    ] = "issuer"
    key_rotation_days: Annotated[
        int,
        _says(
            "How old a signing key grows before the next one, published a day ahead, takes over. "
            "0: only `safeconduct keys rotate` changes keys."
        ),
    ] = 90
    ciba_test_hook: Annotated[
        Secret | None,
        _says(
            "For test suites alone: a secret of 32 characters or more. Whoever knows it answers "
            "CIBA requests in anybody's name at `/_test/ciba`, which else is not there."
        ),
    ] = None
    session_management: Annotated[
        bool,
        _says(
            "Whether apps may ask, from a frame of ours in their pages, if the session changed "
            "(OpenID Connect Session Management). Browsers that keep third-party cookies apart "
            "show nothing there; back-channel logout works in all of them."
        ),
    ] = False
    client_documents: Annotated[
        bool,
        _says(
            "Whether an app's id may be the https address at which it describes itself (client-id "
            "metadata documents, as MCP clients use them)."
        ),
    ] = True
    client_document_allow: Annotated[
        tuple[str, ...],
        _says("Hosts whose documents are believed; `*.example.com` is all below. Empty: any host."),
    ] = ()
    client_document_deny: Annotated[
        tuple[str, ...], _says("Hosts whose documents are not believed, whatever else is allowed.")
    ] = ()
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _says("How much is logged, as JSON lines.")
    ] = "info"

    def __repr__(self) -> str:
        return f"Settings(issuer={self.issuer!r}, data_dir={str(self.data_dir)!r}, …)"

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None when the database is PostgreSQL."""
        scheme, _, path = self.database.partition(":///")
        return Path(unquote(path)) if scheme == "sqlite" else None

    @property
    def secure(self) -> bool:
        """Whether the issuer is https, hence cookies `Secure` with the `__Host-` prefix."""
        return self.issuer.startswith("https:")

    @property
    def origins(self) -> tuple[str, ...]:
        """Under which this server is known besides its issuer."""
        scheme, _, _ = self.issuer.partition("://")
        surfaces = tuple(f"{scheme}://{host}" for host in self.surface_of_host)
        return surfaces if self.mtls_origin is None else (*surfaces, self.mtls_origin)

    @property
    def surface_of_host(self) -> Mapping[str, str]:
        """Host name → surface, as `surface_hosts` says."""
        pairs = (text.partition("=") for text in self.surface_hosts)
        return {host.lower(): surface for surface, _, host in pairs}

    @property
    def root_key(self) -> Path | str:
        """A file, or another source (`adapters.roots`)."""
        return self.root_key_source or self.root_key_file or self.data_dir / "root.key"


NAMES: tuple[str, ...] = tuple(Settings.__struct_fields__)
TYPES = get_type_hints(Settings)
_DESCRIBED = get_type_hints(Settings, include_extras=True)


def describe(name: str) -> str:
    """What a setting is for, in a sentence."""
    return next(str(m.description) for m in get_args(_DESCRIBED[name]) if isinstance(m, Meta))
