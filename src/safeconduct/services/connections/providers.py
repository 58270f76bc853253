"""Which providers a tenant can use, and our registration at each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from safeconduct.core.errors import ApiError, bad_request, not_found
from safeconduct.core.events import event
from safeconduct.core.model import ProviderEntry, ProviderSetting, SigningSecret, TenantId
from safeconduct.core.secret import Secret
from safeconduct.core.unit import Done, Facts, Find, Insert, Ref, Update, Write
from safeconduct.core.upstream.api import Registration
from safeconduct.core.upstream.inbound import usable
from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.provider import REGISTERED, Provider
from safeconduct.core.upstream.simulated import simulated
from safeconduct.core.upstream.site import asked, fixable, read_site, withheld, written
from safeconduct.ports.catalog import Catalog
from safeconduct.ports.clock import Clock, Mint
from safeconduct.ports.store import Store
from safeconduct.services.connections.entries import Entries
from safeconduct.services.connections.issuer_clients import IssuerClients, Use
from safeconduct.services.vault import Vault

TABLE = "provider_settings"
PURPOSE = "client_secret"
SIGNING = "signing_secrets"
SIGNED_WITH = "webhook_secret"
MAX_PROVIDERS = 1_000


@dataclass(frozen=True, slots=True)
class Ready:
    """A provider that this tenant is registered with. `version` of an entry of its own; else 0."""

    provider: Provider
    setting: ProviderSetting
    registration: Registration
    version: int = 0

    def by(self, mode: str) -> "Ready":
        """As a connection uses it that was linked in this way."""
        provider = self.provider.by(mode)
        return self if provider is self.provider else replace(self, provider=provider)

    def at(self, site: str) -> "Ready":
        """As a connection uses it whose account lies at this site (`upstream.site`)."""
        if not site:
            return self
        values = {**self.registration.values, **read_site(site)}
        return replace(self, registration=replace(self.registration, values=values))

    @property
    def asked(self) -> tuple[KeyField, ...]:
        """What a user has to say before they are sent to sign in: at which site."""
        return asked(self.provider, self.registration.values)

    @property
    def modes(self) -> tuple[str, ...]:
        """The ways that are open."""
        return _open(self.provider, known=bool(self.registration.client_id))


def _open(provider: Provider, *, known: bool) -> tuple[str, ...]:
    """Nobody signs in where we are not known."""
    modes = provider.auth.modes
    if known or provider.registers_itself or provider.needs_registration:
        return modes
    return tuple(mode for mode in modes if mode not in REGISTERED)


class Providers:
    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        catalog: Catalog,
        clock: Clock,
        mint: Mint,
        clients: IssuerClients | None = None,
    ) -> None:
        self.store, self.vault, self.catalog = store, vault, catalog
        self.clock, self.mint, self.clients = clock, mint, clients
        self.entries = Entries(store=store, catalog=catalog)

    async def ready(
        self, tenant_id: TenantId, provider_id: str, *, version: int = 0, use: Use = "look"
    ) -> Ready | None:
        """The provider as it is used here; None if unknown, not set up, disabled, or another
        tenant's: to a caller these are one and the same.

        `version`: an entry of the tenant's own as it was. `use`: what follows (`IssuerClients`).
        """
        found = await self._found(tenant_id, provider_id, version)
        if found is None:
            return None
        entry, row = found
        setting = await self._setting(tenant_id, entry, own=row is not None)
        gone = row is not None and row.expires_at is not None
        if setting is None or setting.status == "disabled" or gone:
            return None
        return await self._ready(entry, setting, row, use)

    async def need(
        self, tenant_id: TenantId, provider_id: str, *, version: int = 0, use: Use = "look"
    ) -> Ready:
        """`ready`, or 404 `provider_not_found`."""
        found = await self.ready(tenant_id, provider_id, version=version, use=use)
        if found is None:
            raise not_found("provider")
        return found

    async def leaving(self, tenant_id: TenantId, provider_id: str) -> Ready | None:
        """As `ready`, but a disabled or removed provider too: what it gave can still be given
        back.
        """
        found = await self._found(tenant_id, provider_id, 0)
        if found is None:
            return None
        entry, row = found
        setting = await self._setting(tenant_id, entry, own=row is not None)
        return None if setting is None else await self._ready(entry, setting, row)

    async def _found(
        self, tenant_id: TenantId, provider_id: str, version: int
    ) -> tuple[Provider, ProviderEntry | None] | None:
        entry = self.catalog.get(provider_id)
        if entry is not None:
            return entry, None
        row = await self.entries.row(tenant_id, provider_id)
        return None if row is None else (await self.entries.as_of(row, version), row)

    async def _setting(
        self, tenant_id: TenantId, entry: Provider, *, own: bool
    ) -> ProviderSetting | None:
        """What an operator entered; without it, only who need not know us can be used.

        A tenant's entry stays what it was when a new catalogue happens to take its id: then neither
        is used, and no secret of the one goes to the other.
        """
        found = await self.store.get(setting_ref(tenant_id, entry.id))
        if found is not None:
            return found if found.own == own else None
        if entry.needs_setting or own:
            return None
        return ProviderSetting(
            tenant_id=tenant_id,
            provider_id=entry.id,
            client_id="",
            client_secret=None,
            base_url=None,
            status="active",
            version=0,
            created_at=0,
            updated_at=0,
        )

    async def _ready(
        self,
        entry: Provider,
        setting: ProviderSetting,
        row: ProviderEntry | None,
        use: Use = "look",
    ) -> Ready:
        version = 0 if row is None else row.version
        code = entry.auth.oauth2_code
        if code is not None and code.registering is not None and self.clients is not None:
            if setting.base_url is not None:
                entry = simulated(entry, setting.base_url)
            entry, ours = await self.clients.registered(
                setting.tenant_id,
                entry,
                use,
                doubted=setting.status == "misconfigured",
            )
            ours = replace(ours, values=read_site(setting.site))
            return Ready(entry, setting, ours, version)
        secret = None
        if setting.client_secret is not None:
            opened = await self.vault.fetch(
                setting.tenant_id,
                setting.provider_id,
                setting.client_secret,
                table=TABLE,
                purpose=PURPOSE,
            )
            secret = Secret(opened.decode())
        return Ready(
            entry if setting.base_url is None else simulated(entry, setting.base_url),
            setting,
            Registration(setting.client_id, secret, read_site(setting.site)),
            version,
        )

    async def sign_with(
        self, tenant_id: TenantId, provider_id: str, secret: Secret, *, actor: str
    ) -> None:
        """Take webhooks of a provider that are signed with this secret, and with no other."""
        entry = await self.entries.get(tenant_id, provider_id)
        ref = signing_ref(tenant_id, provider_id)
        if entry is None or entry.webhooks is None or not usable(entry.webhooks.signature, secret):
            raise bad_request(
                "invalid_webhook_secret",
                "This provider sends no webhooks, or signs them with another kind of secret.",
                field="webhook_secret",
            )
        now, setting = self.clock.now(), setting_ref(tenant_id, provider_id)
        text = secret.reveal().encode()
        sealed = self.vault.seal(tenant_id, provider_id, text, table=SIGNING, purpose=SIGNED_WITH)
        row = SigningSecret(
            tenant_id=tenant_id, provider_id=provider_id, sealed=sealed, updated_at=now
        )
        record = event(
            self.mint.id("evt"),
            now,
            tenant_id,
            "provider.configured",
            actor=actor,
            subject=provider_id,
            detail={"webhooks": True},
        )

        def decide(facts: Facts) -> Done[bool]:
            if facts.get(setting) is None:
                return Done(False)
            known = facts.get(ref) is not None
            change: Write = (
                Update(ref, {"sealed": sealed, "updated_at": now}) if known else Insert(row)
            )
            return Done(True, (change, Insert(record)))

        if not (await self.store.run((setting, ref), decide)).answer:
            raise not_found("provider")

    async def signed_with(self, tenant_id: TenantId, provider_id: str) -> Secret | None:
        """The secret of a provider's webhooks, if that was set up."""
        row = await self.store.get(signing_ref(tenant_id, provider_id))
        if row is None:
            return None
        opened = await self.vault.fetch(
            tenant_id, provider_id, row.sealed, table=SIGNING, purpose=SIGNED_WITH
        )
        return Secret(opened.decode())

    async def offered(self, tenant_id: TenantId) -> tuple[Provider, ...]:
        """The entries that this tenant can link accounts at, by name, with the open ways."""
        settings = await self.settings(tenant_id)
        status = {row.provider_id: row.status for row in settings}
        known = {row.provider_id for row in settings if row.client_id}
        return tuple(
            entry.only(_open(entry, known=entry.id in known))
            for entry in await self.entries.all(tenant_id)
            if status.get(entry.id, _OFF if entry.needs_setting else "active") != _OFF
        )

    async def chosen(self, tenant_id: TenantId) -> tuple[Provider, ...]:
        """Those that an operator has set up: what people are shown, who are not to be buried."""
        live = {row.provider_id for row in await self.settings(tenant_id) if row.status != _OFF}
        return tuple(e for e in await self.entries.all(tenant_id) if e.id in live)

    async def settings(self, tenant_id: TenantId) -> tuple[ProviderSetting, ...]:
        return await self.store.find(
            Find(ProviderSetting, {"tenant_id": tenant_id}, limit=MAX_PROVIDERS)
        )

    async def configure(
        self,
        tenant_id: TenantId,
        provider_id: str,
        *,
        client_id: str,
        client_secret: Secret | None,
        base_url: str | None = None,
        placeholders: Mapping[str, str] | None = None,
        actor: str,
    ) -> ProviderSetting:
        """Register our client at a provider, or change it. The provider becomes active.

        `placeholders`: what fills its URLs for everybody; users are asked for the others.
        """
        entry = await self.entries.get(tenant_id, provider_id)
        own = self.catalog.get(provider_id) is None
        if entry is None:
            raise not_found("provider")
        check_registration(entry, client_id, client_secret, base_url)
        site = _fixed(entry, base_url, placeholders or {}, client_id)
        now, event_id, ref = self.clock.now(), self.mint.id("evt"), setting_ref(tenant_id, entry.id)
        sealed = None
        if client_secret is not None:
            text = client_secret.reveal().encode()
            sealed = self.vault.seal(tenant_id, entry.id, text, table=TABLE, purpose=PURPOSE)

        def decide(facts: Facts) -> Done[ProviderSetting]:
            known = facts.get(ref)
            if known is not None and known.own != own:
                raise not_found("provider")
            row = ProviderSetting(
                tenant_id=tenant_id,
                provider_id=entry.id,
                client_id=client_id,
                client_secret=sealed,
                base_url=base_url,
                status="active",
                version=known.version + 1 if known else 1,
                created_at=known.created_at if known else now,
                updated_at=now,
                own=own,
                site=site,
            )
            record = event(
                event_id,
                now,
                tenant_id,
                "provider.configured",
                actor=actor,
                subject=entry.id,
                version=row.version,
                detail={"client_id": client_id, "site": site},
            )
            return Done(row, (_kept(known, row), Insert(record)))

        return (await self.store.run((ref,), decide)).answer

    async def switch(
        self, tenant_id: TenantId, provider_id: str, *, on: bool, actor: str
    ) -> ProviderSetting:
        """Offer a provider or stop offering it. Connections stay, but are not used meanwhile."""
        now, event_id, ref = (
            self.clock.now(),
            self.mint.id("evt"),
            setting_ref(tenant_id, provider_id),
        )
        status = "active" if on else _OFF

        def decide(facts: Facts) -> Done[ProviderSetting | ApiError]:
            known = facts.get(ref)
            if known is None:
                return Done(not_found("provider"))
            columns = {"status": status, "version": known.version + 1, "updated_at": now}
            record = event(
                event_id,
                now,
                tenant_id,
                "provider.configured",
                actor=actor,
                subject=provider_id,
                version=known.version + 1,
                detail={"status": status},
            )
            return Done(known, (Update(ref, columns), Insert(record)))

        answer = (await self.store.run((ref,), decide)).answer
        if isinstance(answer, ApiError):
            raise answer
        return answer


_OFF = "disabled"


def setting_ref(tenant_id: TenantId, provider_id: str) -> Ref[ProviderSetting]:
    return Ref(ProviderSetting, tenant_id=tenant_id, provider_id=provider_id)


def signing_ref(tenant_id: TenantId, provider_id: str) -> Ref[SigningSecret]:
    return Ref(SigningSecret, tenant_id=tenant_id, provider_id=provider_id)


def judged(
    seen: ProviderSetting,
    now_there: ProviderSetting | None,
    *,
    works: bool,
    event_id: str,
    now: int,
) -> Sequence[Write]:
    """What an answer says about our registration: refused (`invalid_client`), or good again.

    Only about the one that was used: an operator may have put in another meanwhile.
    """
    row = now_there
    if row is None or row.version != seen.version:
        return ()
    status = "active" if works else "misconfigured"
    if row.status == status or row.status not in ("active", "misconfigured"):
        return ()
    ref = setting_ref(row.tenant_id, row.provider_id)
    record = event(
        event_id,
        now,
        row.tenant_id,
        "provider.recovered" if works else "provider.misconfigured",
        actor="system",
        subject=row.provider_id,
        version=row.version,
    )
    return (Update(ref, {"status": status, "updated_at": now}), Insert(record))


def _kept(known: ProviderSetting | None, row: ProviderSetting) -> Write:
    if known is None:
        return Insert(row)
    names = ("client_id", "client_secret", "base_url", "site", "status", "version", "updated_at")
    ref = setting_ref(row.tenant_id, row.provider_id)
    return Update(ref, {name: getattr(row, name) for name in names})


def check_registration(
    entry: Provider, client_id: str, client_secret: Secret | None, base_url: str | None
) -> None:
    if not _printable(client_id) and (client_id or entry.needs_registration):
        raise bad_request("invalid_client_id", "The client id is empty or not plain text.")
    if client_secret is not None and not _usable(entry, client_secret.reveal()):
        raise bad_request("invalid_client_secret", "The client secret is empty or not plain text.")
    if client_secret is None and client_id and _needs_secret(entry):
        raise bad_request("client_secret_missing", "This provider asks for a client secret.")
    if base_url is not None:
        try:
            simulated(entry, base_url)
        except ValueError:
            raise bad_request(
                "invalid_base_url", "The base URL is not an http or https URL."
            ) from None


def _fixed(entry: Provider, base_url: str | None, given: Mapping[str, str], client_id: str) -> str:
    """What the operator fixes for all; whatever could lead our secret elsewhere must be."""
    there = entry if base_url is None else simulated(entry, base_url)
    values = fixable(there, given)
    for name in withheld(there):
        if client_id and name not in values:
            label = entry.placeholders[name].label
            raise bad_request(
                "placeholder_missing",
                f"{label} is yours to say: our client's secret is sent there.",
                field=name,
            )
    return written(values)


def _needs_secret(entry: Provider) -> bool:
    if entry.auth.oauth1 is not None:
        return True
    speaks = entry.auth.oauth2_code or entry.auth.oauth2_yields_api_key
    return bool(speaks) and entry.oauth2.token_auth != "none" and not entry.registers_itself


def _usable(entry: Provider, secret: str) -> bool:
    """A secret in plain text; a private key, where requests are signed with one."""
    oauth1 = entry.auth.oauth1
    if oauth1 is not None and oauth1.signature == "RSA-SHA1":
        lines = secret.strip().splitlines()
        return len(secret) <= 8_192 and len(lines) > 2 and "PRIVATE KEY" in lines[0]
    return _printable(secret)


def _printable(text: str) -> bool:
    """RFC 6749 appendix A.1 and A.2: *VSCHAR."""
    return 0 < len(text) <= 2048 and all(" " <= char <= "~" for char in text)
