"""What is wrong with settings that are each of their type: sentences for the operator."""

import re
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from safeconduct.core.detail_types import Types, types_from
from safeconduct.settings.schema import Settings

HOOK_LENGTH = 32


def problems_of(settings: Settings) -> Iterator[str]:
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


def detail_types(settings: Settings) -> Types:
    """The types of authorization details that the operator adds; `ValueError` in words."""
    path = settings.authorization_details_file
    return {} if path is None else types_from(tomllib.loads(path.read_text(encoding="utf-8")))


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
    return parts.scheme == "https" or is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
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
