"""Whether a client is who it says (RFC 6749 §2.3), for every endpoint that clients call.

    presented ─▶ client ─┬─ a secret        digest, constant time, guesses counted
                         ├─ an assertion    claims, signature, once
                         ├─ a certificate   chain and subject, or the very key
                         └─ nothing         a public client

What a client must show is decided by its registration alone, never by what it chose to send.
"""

from safeconduct.core.certificate import is_subject
from safeconduct.core.client_assertion import KIND, Accepted, judge
from safeconduct.core.client_auth import Presented
from safeconduct.core.errors import OAuthError, invalid_client
from safeconduct.core.jws import Jws
from safeconduct.core.model import Client, TenantId
from safeconduct.core.realm import ROOT
from safeconduct.core.secret import digest, same
from safeconduct.core.security_profile import admits, allows
from safeconduct.core.sender import NOBODY, Sender
from safeconduct.core.spent import is_spent, spend, spent_ref
from safeconduct.core.throttle import Limit
from safeconduct.core.unit import Done, Facts
from safeconduct.ports.certificates import Certificates
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.client_keys import ClientKeys
from safeconduct.services.clients import Clients
from safeconduct.services.keys import Keys
from safeconduct.services.known_clients import Known
from safeconduct.services.realms import Realms

GUESSES = Limit("client_secret", tries=100, window=5 * 60_000)
MAX_BLOCKED = 10_000
TOKEN_PATH = "/oauth2/token"


class Authentication:
    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        clients: Clients,
        client_keys: ClientKeys,
        certificates: Certificates | None = None,
        realms: Realms,
    ) -> None:
        self.store, self.keys, self.clock, self.realms = store, keys, clock, realms
        self.known, self.secrets = clients.known, clients.client_secrets
        self.methods = clients.methods
        self.client_keys, self.certificates = client_keys, certificates
        self._blocked: dict[int, int] = {}  # bucket of wrong secrets → until when

    async def authenticate(
        self, presented: Presented, sender: Sender = NOBODY, at: TenantId | None = None
    ) -> Client:
        """The client that the caller has proved to be; it may be disabled.

        At an endpoint of the tenant `at`, clients of all others are unknown.

        RFC 6749 §5.2: `invalid_client` for every failure, in the same words. A wrong secret is
        counted, and after many the answer is 429; the right one is let in nevertheless, because
        otherwise guessing would be a way to lock a client out.

        A secret may come in the header or in the body, however the client is registered: libraries
        differ in their default, and refusing one place protects nothing that the other gives away.
        """
        known = await self.known.find(presented.client_id, at or ROOT)
        if known is None or at not in (None, known.client.tenant_id):
            raise invalid_client(rule="client.unknown", rfc="6749#5.2")
        client = known.client
        if client.security_profile is not None and not admits(client):
            raise invalid_client(rule="profile.method")
        match client.token_endpoint_auth_method:
            case "client_secret_basic" | "client_secret_post":
                await self._secret(known, presented)
            case "none":
                if presented.secret is not None:
                    raise await self._wrong(client)
                if presented.method != "none":
                    raise invalid_client(rule="client.method", rfc="6749#2.3")
            case "private_key_jwt" | "client_secret_jwt" as method:
                wrong = presented.method != method or method not in self.methods
                if wrong or presented.assertion is None:
                    raise invalid_client(rule="client.method", rfc="6749#2.3")
                await self._assertion(known, presented.assertion, sender.path)
            case "tls_client_auth" | "self_signed_tls_client_auth" as method:
                if presented.method != "none" or method not in self.methods:
                    raise invalid_client(rule="client.method", rfc="6749#2.3")
                await self._certificate(client, sender)
            case _:
                raise invalid_client(rule="client.method", rfc="6749#2.3")
        return client

    # A secret

    async def _secret(self, known: Known, presented: Presented) -> None:
        if presented.secret is None:
            rule = "client.secret_missing" if presented.method == "none" else "client.method"
            raise invalid_client(rule=rule, rfc="6749#5.2")
        if not self._right(known, presented.secret):
            raise await self._wrong(known.client)

    async def has_secret(self, client: Client, secret: str) -> bool:
        """Whether this is a live secret of the client."""
        known = await self.known.find(client.id, client.tenant_id)
        return known is not None and self._right(known, secret)

    def _right(self, known: Known, secret: str) -> bool:
        """Whether it is one of the live secrets; each is compared, in constant time."""
        shown = digest(self.keys.of(known.client.tenant_id).digest_key, secret)
        now, right = self.clock.now(), False
        for row in known.secrets:
            live = row.expires_at is None or now < row.expires_at
            right |= same(row.digest, shown) and live
        return right

    async def _wrong(self, client: Client) -> OAuthError:
        """Count a wrong secret; the error to answer with."""
        key = self.keys.of(client.tenant_id).digest_key
        ref = GUESSES.ref(key, client.tenant_id, client.id)
        now, bucket = self.clock.now(), ref.key[2]
        until = self._blocked.get(bucket, 0)
        if now < until:
            return _too_many(until - now)

        def decide(facts: Facts) -> Done[int]:
            counter = facts.get(ref)
            wait = GUESSES.wait(counter, now)
            return Done(wait, () if wait else (GUESSES.count(ref, counter, now),))

        wait = (await self.store.run((ref,), decide)).answer
        if not wait:
            return invalid_client(rule="client.secret", rfc="6749#5.2")
        if len(self._blocked) >= MAX_BLOCKED:
            self._blocked.clear()
        self._blocked[bucket] = now + wait
        return _too_many(wait)

    # An assertion

    async def _assertion(self, known: Known, assertion: Jws, path: str) -> None:
        """RFC 7523 §3: the claims first, because they cost nothing; then signature and reuse."""
        client = known.client
        wanted = client.token_endpoint_auth_signing_alg
        if (wanted is not None and wanted != assertion.alg) or not allows(client, assertion.alg):
            raise _refused("assertion.alg")
        issuer = self.realms.issuer(client.tenant_id)
        audiences = {issuer, issuer + TOKEN_PATH, issuer + path}
        accepted = judge(assertion, client, audiences, issuer, self.clock.now())
        if isinstance(accepted, str):
            raise _refused(accepted)
        if not await self._signed(known, assertion):
            raise _refused("assertion.signature")
        if not await self._first(client, accepted):
            raise _refused("assertion.replayed")

    async def _signed(self, known: Known, assertion: Jws) -> bool:
        if known.client.token_endpoint_auth_method == "private_key_jwt":
            return await self.client_keys.verified(known.client, assertion)
        check = self.keys.keyring.check_hmac
        secrets = await self.secrets.readable(known.secrets)
        return any(
            check(secret, assertion.alg, assertion.message, assertion.signature)
            for secret in secrets
        )

    async def _first(self, client: Client, accepted: Accepted) -> bool:
        """RFC 7523 §3 item 7: each `jti` once, on whichever node."""
        ref, now = spent_ref(client.tenant_id, KIND, accepted.jti), self.clock.now()

        def decide(facts: Facts) -> Done[bool]:
            if is_spent(facts, ref, now):
                return Done(False)
            return Done(True, (spend(facts, ref, accepted.until),))

        return (await self.store.run((ref,), decide)).answer

    # A certificate

    async def _certificate(self, client: Client, sender: Sender) -> None:
        """RFC 8705 §2.1 by issuer and name, §2.2 by the key itself; TLS has proved the key."""
        certificates = self.certificates
        if certificates is None or sender.certificate is None:
            raise invalid_client(rule="certificate.missing", rfc="8705#2")
        shown = certificates.read(sender.certificate)
        if shown is None or not shown.valid(self.clock.now()):
            raise invalid_client(rule="certificate.invalid", rfc="8705#2")
        if client.token_endpoint_auth_method == "self_signed_tls_client_auth":
            if not await self.client_keys.holds(client, shown):
                raise invalid_client(rule="certificate.key", rfc="8705#2.2")
            return
        if not certificates.issued(shown, self.clock.now()):
            raise invalid_client(rule="certificate.issuer", rfc="8705#2.1")
        name = client.tls_client_auth_subject_dn
        if not is_subject(client, shown, certificates.subject(name) if name else None):
            raise invalid_client(rule="certificate.subject", rfc="8705#2.1")


def _refused(rule: str) -> OAuthError:
    return invalid_client(rule=rule, rfc="7523#3")


def _too_many(wait_ms: int) -> OAuthError:
    return OAuthError(
        "invalid_client",
        "too many attempts with a wrong secret",
        status=429,
        rule="client.guessing",
        retry_after=wait_ms // 1000 + 1,
    )
