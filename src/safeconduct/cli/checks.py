"""What `safeconduct doctor` looks at. Nothing here changes anything."""

import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import apsw

from safeconduct.adapters.clock import SystemClock
from safeconduct.adapters.roots import RootKeyError, root_of
from safeconduct.adapters.store import Refused, open_store
from safeconduct.adapters.store.sqlite_file import check_version
from safeconduct.app import opened
from safeconduct.core.model import HighWater, Key, ProviderSetting
from safeconduct.core.unit import Find, Ref
from safeconduct.ports.keyring import Sealed, Unsealable
from safeconduct.ports.store import Store, Unavailable
from safeconduct.settings import Settings

State = Literal["good", "note", "problem"]
DAY_S = 86_400
KEY_AGE_DAYS = 180


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and a sentence about it."""

    check: str
    state: State
    says: str


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    for finding in (*_issuer(settings), *_tls(settings), *_files(settings), *_sqlite(settings)):
        yield finding
    if _absent(settings):
        says = "There is none yet; the first start makes it."
        yield Finding("database", "note", says)
    else:
        async for finding in _database(settings):
            yield finding
    for finding in _hook(settings):
        yield finding
    yield await _mail(settings)
    for finding in _way_out(settings):
        yield finding


def _issuer(settings: Settings) -> Iterator[Finding]:
    if settings.secure:
        yield Finding("issuer", "good", f"{settings.issuer} is https.")
    else:
        says = f"{settings.issuer} is plain http: for trying out on this machine only."
        yield Finding("issuer", "note", says)


def _hook(settings: Settings) -> Iterator[Finding]:
    if settings.ciba_test_hook is None:
        return
    says = "ciba_test_hook is set: whoever knows it says yes to any app in anybody's name."
    if settings.secure:
        yield Finding("ciba hook", "problem", f"{says} Take it out; it is for tests.")
    else:
        yield Finding("ciba hook", "note", says)


def _tls(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None or settings.tls_key is None:
        if settings.secure and not settings.trusted_proxies:
            says = "Something in front must end TLS; name it in trusted_proxies."
            yield Finding("tls", "note", says)
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
        ends = _ends(settings.tls_cert)
    except (ssl.SSLError, OSError, ValueError) as error:
        yield Finding("tls", "problem", f"Certificate and key cannot be used: {error}.")
        return
    days = int((ends.timestamp() - time.time()) / DAY_S)
    state: State = "problem" if days < 0 else "note" if days < 14 else "good"
    yield Finding("tls", state, f"The certificate ends on {ends:%Y-%m-%d} (in {days} days).")


def _ends(path: Path) -> datetime:
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc


def _files(settings: Settings) -> Iterator[Finding]:
    files = [("data folder", settings.data_dir)]
    if isinstance(settings.root_key, Path):
        files.append(("root key", settings.root_key))
    for name, path in files:
        if not path.exists():
            state: State = "note" if _absent(settings) else "problem"
            yield Finding(name, state, f"{path} does not exist.")
            continue
        if os.stat(path).st_mode & 0o077:
            yield Finding(name, "problem", f"{path} can be read by others: chmod go-rwx {path}")
            continue
        yield Finding(name, "good", f"{path} is ours alone.")


def _sqlite(settings: Settings) -> Iterator[Finding]:
    if settings.sqlite_path is None:
        return
    version = apsw.sqlite_lib_version()
    try:
        check_version(version)
        yield Finding("sqlite", "good", f"SQLite {version}.")
    except Refused as error:
        yield Finding("sqlite", "problem", str(error))


def _absent(settings: Settings) -> bool:
    return settings.sqlite_path is not None and not settings.sqlite_path.exists()


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        store = await open_store(settings.database, clock=SystemClock(), serving=False)
    except (Refused, Unavailable) as error:
        yield Finding("database", "problem", str(error))
        return
    try:
        yield Finding("database", "good", "It answers, and its schema is this version's.")
        yield await _clock(store)
        for finding in await _keys(settings, store):
            yield finding
        for finding in await _providers(store):
            yield finding
    except Unavailable as error:
        yield Finding("database", "problem", str(error))
    finally:
        await store.close()


async def _clock(store: Store) -> Finding:
    mark = await store.get(Ref(HighWater, id=1))
    ahead = (mark.at - time.time_ns() // 1_000_000) / 1000 if mark else 0
    if ahead > 5:
        says = f"The clock is {ahead:.0f} s behind what was committed; time stands still so long."
        return Finding("clock", "problem", says)
    return Finding("clock", "good", "It has not been moved back.")


async def _keys(settings: Settings, store: Store) -> list[Finding]:
    rows = await store.find(Find(Key, {}, limit=1000))
    try:
        root = root_of(settings.root_key).id
        async with opened(settings):
            found = [Finding("keys", "good", f"All {len(rows)} open.")]
    except RootKeyError as error:
        return [Finding("keys", "problem", str(error))]
    except (Sealed, Unsealable) as error:
        return [Finding("keys", "problem", f"The root key does not open them: {error}.")]
    own = {text.partition("=")[0] for text in settings.tenant_root_keys}
    if any(row.root_id != root for row in rows if row.tenant_id not in own):
        says = "Some are wrapped under an older root key: safeconduct vault rotate"
        found.append(Finding("keys", "note", says))
    signing = [row for row in rows if row.purpose == "sign" and row.status == "current"]
    for row in signing:
        days = int((time.time() * 1000 - row.created_at) / 1000 / DAY_S)
        if days > KEY_AGE_DAYS:
            says = f"A signing key is {days} days old: safeconduct keys rotate"
            found.append(Finding("keys", "note", says))
    return found


async def _providers(store: Store) -> list[Finding]:
    rows = await store.find(Find(ProviderSetting, {}, limit=1000))
    refused = [row.provider_id for row in rows if row.status == "misconfigured"]
    if refused:
        says = f"Refused our client id or secret: {', '.join(refused)}."
        return [Finding("providers", "problem", says)]
    if not rows:
        says = "Users cannot link accounts anywhere yet: safeconduct providers configure"
        return [Finding("providers", "note", says)]
    return [Finding("providers", "good", f"Registered with {len(rows)}.")]


async def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        if settings.secure:
            says = "smtp_url is not set: nobody can sign up or sign in with an e-mail code."
            return Finding("mail", "problem", says)
        return Finding("mail", "note", "smtp_url is not set: messages only go to the log.")
    import aiosmtplib

    parts = urlsplit(settings.smtp_url.reveal())
    tls = parts.scheme == "smtps"
    host, port = parts.hostname, parts.port or (465 if tls else 25)
    try:
        async with aiosmtplib.SMTP(hostname=host, port=port, use_tls=tls, timeout=5):
            return Finding("mail", "good", f"{host}:{port} answers.")
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        return Finding("mail", "problem", f"{host}:{port} does not answer: {error}.")


def _way_out(settings: Settings) -> Iterator[Finding]:
    if settings.egress_ca is not None:
        try:
            ssl.create_default_context(cafile=str(settings.egress_ca))
        except ssl.SSLError as error:
            yield Finding("egress", "problem", f"{settings.egress_ca}: {error}.")
    if settings.egress_allow:
        says = f"Private addresses that are allowed: {', '.join(settings.egress_allow)}."
        yield Finding("egress", "note", says)
    else:
        yield Finding("egress", "good", "Only public addresses can be reached.")
    if settings.simulators:
        says = f"All providers are simulated ({settings.simulators})."
        yield Finding("egress", "note", says)
