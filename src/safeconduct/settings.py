"""Settings: flags, environment and one optional TOML file become one frozen value, once.

Flags win over `SAFECONDUCT_…` variables, those over the file, that over the defaults below. A
variable that is not known is a warning (it may belong to a newer version), a key of the file
that is not known is an error (it is a misspelling).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import quote, unquote, urlsplit

import msgspec
from msgspec import Meta

from safeconduct.core.detail_types import Types, types_from
from safeconduct.core.secret import Secret

PREFIX = "SAFECONDUCT_"
HOOK_LENGTH = 32


class SettingsError(Exception):
    """One or more settings cannot be used; each problem is a sentence for the operator."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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
_TYPES = get_type_hints(Settings)


@dataclass(frozen=True, slots=True)
class Loaded:
    settings: Settings
    warnings: tuple[str, ...]


def load(
    environ: Mapping[str, str],
    flags: Mapping[str, Any] | None = None,
    config: Path | None = None,
) -> Loaded:
    """Read all three sources. Flags that are None were not given."""
    if config is None and environ.get(PREFIX + "CONFIG"):
        config = Path(environ[PREFIX + "CONFIG"])
    raw = _read_file(config) if config is not None else {}
    where = dict.fromkeys(raw, f"{config}: ")
    for name, text in _variables(environ):
        raw[name], where[name] = text, PREFIX + name.upper() + ": "
    for name, value in (flags or {}).items():
        if value is not None and value != ():
            raw[name], where[name] = value, "--" + name.replace("_", "-") + ": "
    settings = _complete(_decode(raw, where))
    problems = tuple(_problems(settings))
    if problems:
        raise SettingsError(*problems)
    return Loaded(settings, (*_warnings(environ), *_warnings_about(settings)))


def detail_types(settings: Settings) -> Types:
    """The types of authorization details that the operator adds; `ValueError` in words."""
    path = settings.authorization_details_file
    return {} if path is None else types_from(tomllib.loads(path.read_text(encoding="utf-8")))


def describe(name: str) -> str:
    """What a setting is for, in a sentence."""
    return next(str(m.description) for m in _TYPES_WITH_META[name] if isinstance(m, Meta))


_TYPES_WITH_META = {
    name: get_args(kind)[1:] for name, kind in get_type_hints(Settings, include_extras=True).items()
}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"Cannot read {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    unknown = [key for key in found if key not in NAMES]
    if unknown:
        raise SettingsError(
            *(f"{path}: there is no setting {key!r}.{_meant(key)}" for key in unknown)
        )
    return found


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in NAMES:
        text = environ.get(PREFIX + name.upper(), "").strip()
        if text:
            yield name, text


def _warnings(environ: Mapping[str, str]) -> Iterator[str]:
    known = {PREFIX + name.upper() for name in NAMES} | {PREFIX + "CONFIG"}
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in known:
            meant = _meant(variable.removeprefix(PREFIX).lower(), PREFIX)
            yield f"{variable} is not a setting and has no effect.{meant}"


def _warnings_about(settings: Settings) -> Iterator[str]:
    if settings.ciba_test_hook is not None:
        yield "ciba_test_hook is set: whoever knows it says yes to any app in anybody's name."


def _meant(name: str, prefix: str = "") -> str:
    close = get_close_matches(name, NAMES, n=1)
    if not close:
        return ""
    return f" Did you mean {prefix + close[0].upper() if prefix else close[0]}?"


def _decode(raw: Mapping[str, Any], where: Mapping[str, str]) -> Settings:
    values, problems = {}, []
    for name, value in raw.items():
        kind = _TYPES[name]
        if get_origin(kind) is tuple and isinstance(value, str):
            value = [part for part in re.split(r"[,\s]+", value) if part]
        try:
            values[name] = msgspec.convert(value, kind, strict=False, dec_hook=_from_text)
        except msgspec.ValidationError:
            problems.append(f"{where[name]}expected {_expected(kind)}, not {value!r}.")
    if problems:
        raise SettingsError(*problems)
    return Settings(**values)


def _from_text(kind: type[Any], value: Any) -> Any:
    if kind in (Path, Secret) and isinstance(value, str | Path):
        return kind(value)
    raise TypeError(f"a text was expected, not {value!r}")


def _expected(kind: Any) -> str:
    if kind in (int, bool):
        return "a whole number" if kind is int else "true or false"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    return "a list of texts" if get_origin(kind) is tuple else "a text"


def _complete(settings: Settings) -> Settings:
    """Fill in the defaults that follow from other settings."""
    scheme = "https" if settings.tls_cert else "http"
    host = settings.host if _is_loopback(settings.host) else "127.0.0.1"
    host = f"[{host}]" if ":" in host else host
    issuer = settings.issuer or f"{scheme}://{host}:{settings.port}"
    own = quote(str(settings.data_dir / "safeconduct.db"))
    database = settings.database or f"sqlite:///{own}"
    sender = settings.smtp_from or f"no-reply@{urlsplit(issuer).hostname or 'localhost'}"
    return msgspec.structs.replace(settings, issuer=issuer, database=database, smtp_from=sender)


def _problems(settings: Settings) -> Iterator[str]:
    if not 1 <= settings.port <= 65535:
        yield f"port {settings.port} is not between 1 and 65535."
    elif not settings.issuer.isascii() or not _is_origin(settings.issuer):
        yield (
            f"issuer {settings.issuer!r} is not an origin: it is https://, a host, perhaps a port, "
            "and nothing behind it, not even a slash."
        )
    elif not _is_safe(settings.issuer):
        yield (
            f"issuer {settings.issuer!r} is not https. Plain http is only for loopback addresses "
            "(127.0.0.1, [::1], localhost): tokens would travel in the clear."
        )
    yield from _problems_of_database(settings)
    yield from _problems_of_files(settings)
    yield from _problems_of_networks(settings)
    if settings.simulators and not _is_origin(settings.simulators):
        yield f"simulators {settings.simulators!r} is not an origin such as http://127.0.0.1:8401."
    if settings.smtp_url and not re.match(r"smtps?://[^/?#\s]+/?$", settings.smtp_url.reveal()):
        yield "smtp_url is not of the form smtp://user:password@host:port or smtps://…."
    yield from _problems_of_texts(settings)
    hook = settings.ciba_test_hook
    if hook is not None and len(hook.reveal()) < HOOK_LENGTH:
        yield (
            f"ciba_test_hook is shorter than {HOOK_LENGTH} characters: whoever guesses it says yes "
            "in anybody's name."
        )


def _problems_of_texts(settings: Settings) -> Iterator[str]:
    url = settings.sms_url.reveal() if settings.sms_url else ""
    if url and not re.match(r"(twilio(\+http)?://[^/?#\s]+\?from=\S+|smtps?://[^/?#\s]+/?)$", url):
        yield "sms_url is not of the form twilio://SID:TOKEN@host?from=NUMBER or smtp://…."
    if url.startswith("twilio") and not settings.sms_countries:
        yield "sms_countries is empty: say to which countries codes may be sent, at your expense."
    if any(not re.fullmatch(r"[A-Z]{2}", country) for country in settings.sms_countries):
        yield "sms_countries are ISO 3166 codes of two capital letters, such as DE."


def _problems_of_database(settings: Settings) -> Iterator[str]:
    if not re.match(r"sqlite:///.|postgres(ql)?://.", settings.database):
        yield (
            "database is neither sqlite:///file nor postgresql://user@host/name "
            "(its text is not shown, it may hold a password)."
        )
    if settings.events_kept_days < 0:
        yield f"events_kept_days {settings.events_kept_days} is less than 0."
    if settings.workers < 1:
        yield f"workers {settings.workers} is less than 1."
    if settings.workers > 1 and settings.sqlite_path is not None:
        yield (
            f"workers {settings.workers}: SQLite has one serving process. Use PostgreSQL for more "
            "(--database postgresql://user@host/name), or leave workers at 1."
        )


def _problems_of_files(settings: Settings) -> Iterator[str]:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        yield "tls_cert and tls_key belong together: give both or neither."
    if settings.tls_cert is not None and not settings.secure:
        yield f"issuer {settings.issuer!r} is http although TLS is served (tls_cert)."
    if settings.client_certificates == "tls" and settings.tls_cert is None:
        yield "client_certificates is tls, but TLS is not served here: give tls_cert and tls_key."
    if settings.client_certificates == "proxy" and not settings.trusted_proxies:
        yield "client_certificates is proxy, but trusted_proxies names none."
    if settings.mtls_origin is not None and not _is_origin(settings.mtls_origin):
        yield f"mtls_origin {settings.mtls_origin!r} is not an origin such as https://mtls.example."
    for name in ("tls_cert", "tls_key", "egress_ca", "client_ca", "authorization_details_file"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            yield f"{name} {str(path)!r} is not a file."
            return
    try:
        detail_types(settings)
    except (OSError, ValueError) as error:
        yield f"authorization_details_file: {error}."


def _problems_of_networks(settings: Settings) -> Iterator[str]:
    for text in settings.tenant_root_keys:
        if not re.fullmatch(r"t[0-9]+=.+", text):
            yield "tenant_root_keys: an entry is not of the form t2=source."
    if settings.root_key_source and not settings.root_key_source.startswith(("env:", "pkcs11:")):
        yield "root_key_source is neither env:NAME nor pkcs11:…; for a file use root_key_file."
    for name in settings.trusted_proxies:
        if not _is_network(name):
            yield f"trusted_proxies: {name!r} is neither an address nor a network."
    for name in settings.egress_allow:
        if not _is_network(name) and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*)", name):
            yield f"egress_allow: {name!r} is neither a host name nor a network."
    for name in (*settings.client_document_allow, *settings.client_document_deny):
        if not re.fullmatch(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*)", name):
            yield f"client_document_allow, client_document_deny: {name!r} is no host name."
    for text in settings.surface_hosts:
        if not re.fullmatch(r"[a-z0-9_-]+=[A-Za-z0-9]([A-Za-z0-9.-]*)(:[0-9]{1,5})?", text):
            yield f"surface_hosts: {text!r} is not of the form surface=host."


def _is_origin(url: str) -> bool:
    parts = urlsplit(url)
    try:
        rebuilt = f"{parts.scheme}://{parts.netloc}"
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and "@" not in parts.netloc
            and parts.port != 0
            and rebuilt == url
        )
    except ValueError:  # a port that is no number
        return False


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
