"""Sender constraint (RFC 9449, RFC 8705): which keys a token is bound to, and who may use it.

    token request  ─▶ binding   what its tokens carry as `cnf`; the proof is spent with them
    resource call  ─▶ check     the token's `cnf` against what the request shows

Whatever is bound and comes without its key is refused, on whichever surface it comes.
"""

from collections.abc import Collection

from safeconduct.core.access_token import Bearer
from safeconduct.core.dpop import (
    KIND,
    Proof,
    fresh,
    invalid_proof,
    make_nonce,
    read_proof,
    trouble,
    use_nonce,
)
from safeconduct.core.errors import OAuthError, invalid_request, invalid_token
from safeconduct.core.model import Client, TenantId
from safeconduct.core.security_profile import allows, profile_of
from safeconduct.core.sender import Binding, Sender
from safeconduct.core.spent import is_spent, spend, spent_ref
from safeconduct.core.unit import Done, Facts
from safeconduct.ports.clock import Clock
from safeconduct.ports.store import Store
from safeconduct.services.keys import Keys


class Proofs:
    """`origins` are those under which our endpoints are known; `nonces` are required or not, and
    client `certificates` are asked for or not, at `mtls_origin` if that is not the issuer."""

    def __init__(
        self,
        *,
        store: Store,
        keys: Keys,
        clock: Clock,
        origins: Collection[str],
        nonces: bool = False,
        certificates: bool = False,
        mtls_origin: str | None = None,
    ) -> None:
        self.store, self.keys, self.clock = store, keys, clock
        self.origins, self.nonces = tuple(origins), nonces
        self.certificates, self.mtls_origin = certificates, mtls_origin

    # Where tokens are given

    def binding(self, client: Client, sender: Sender) -> Binding:
        """The keys of a token request; refuses one that lacks what its client must show."""
        cnf: dict[str, str] = {}
        spent, until = None, 0
        if sender.proofs:
            proof = self.proof(client, sender)
            cnf["jkt"] = proof.jkt
            spent, until = spent_ref(client.tenant_id, KIND, proof.spent_id), proof.until
        elif client.dpop_bound_access_tokens:
            raise invalid_proof("a DPoP proof is missing", rule="dpop.missing")
        bound = client.tls_client_certificate_bound_access_tokens
        if bound and sender.x5t is None:
            raise invalid_request(
                "a client certificate is missing", rule="certificate.missing", rfc="8705#3"
            )
        constrained = profile_of(client).sender_constrained
        if sender.x5t is not None and (bound or (constrained and not cnf)):
            cnf["x5t#S256"] = sender.x5t
        if constrained and not cnf:
            raise invalid_proof(
                "tokens of this client need a DPoP proof or a certificate", rule="profile.sender"
            )
        return Binding(cnf or None, spent, until)

    def proof(self, client: Client, sender: Sender) -> Proof:
        """The sound and timely proof of a request to the authorization server, not yet spent."""
        proof = self._read(sender, at_resource=False)
        why = trouble(proof, sender.method, sender.path, self._origins(sender), self.clock.now())
        if why is not None:
            raise invalid_proof(why, rule="dpop.request")
        if not allows(client, proof.jws.alg):
            raise invalid_proof("the client may not use this alg", rule="profile.algorithm")
        self._nonce(proof, client.tenant_id, "as")
        return proof

    async def spent(self, client: Client, sender: Sender) -> str:
        """The key of a proof that comes with no token request, and will not come again."""
        proof = self.proof(client, sender)
        await self._spend(client.tenant_id, proof, at_resource=False)
        return proof.jkt

    # Where tokens are used

    async def check(self, bearer: Bearer, token: str, sender: Sender) -> None:
        """Refuse a token that comes without the key it is bound to; raises 401."""
        cnf = bearer.cnf or {}
        if "x5t#S256" in cnf and cnf["x5t#S256"] != sender.x5t:
            raise invalid_token(
                "the access token is bound to a certificate", rule="token.certificate", rfc="8705#3"
            )
        if sender.scheme == "dpop":
            await self._with_proof(bearer, token, sender)
        elif "jkt" in cnf:
            # §7.2: a bound token "MUST NOT" pass as a bearer token
            raise _unbound("the access token is bound to a key: send it by DPoP", "dpop.downgrade")

    async def _with_proof(self, bearer: Bearer, token: str, sender: Sender) -> None:
        jkt = (bearer.cnf or {}).get("jkt")
        if jkt is None:
            raise _unbound("the access token is not bound to a key", "dpop.unbound")
        proof = self._read(sender, at_resource=True)
        now = self.clock.now()
        why = trouble(proof, sender.method, sender.path, self._origins(sender), now, token)
        if why is not None:
            raise invalid_proof(why, rule="dpop.request", at_resource=True)
        if proof.jkt != jkt:
            raise _unbound("the access token is bound to another key", "dpop.key")
        self._nonce(proof, bearer.tenant_id, "rs")
        await self._spend(bearer.tenant_id, proof, at_resource=True)

    async def _spend(self, tenant_id: TenantId, proof: Proof, *, at_resource: bool) -> None:
        """§11.1: once, on whichever node."""
        ref, now = spent_ref(tenant_id, KIND, proof.spent_id), self.clock.now()

        def decide(facts: Facts) -> Done[bool]:
            if is_spent(facts, ref, now):
                return Done(False)
            return Done(True, (spend(facts, ref, proof.until),))

        if not (await self.store.run((ref,), decide)).answer:
            raise replayed(at_resource=at_resource)

    def _origins(self, sender: Sender) -> tuple[str, ...]:
        return self.origins if sender.issuer is None else (sender.issuer,)

    # Nonces

    def nonce(self, tenant_id: TenantId, role: str = "as") -> str | None:
        """The nonce to give with an answer, where nonces are required."""
        if not self.nonces:
            return None
        return make_nonce(self.keys.of(tenant_id).digest_key, role, self.clock.now())

    def _nonce(self, proof: Proof, tenant_id: TenantId, role: str) -> None:
        """§8: required by the switch; and one that is there must be ours, and fresh."""
        key, now = self.keys.of(tenant_id).digest_key, self.clock.now()
        if proof.nonce is None and not self.nonces:
            return
        if proof.nonce is None or not fresh(proof.nonce, key, role, now):
            raise use_nonce(make_nonce(key, role, now), at_resource=role == "rs")

    def _read(self, sender: Sender, *, at_resource: bool) -> Proof:
        if len(sender.proofs) != 1:
            raise invalid_proof(
                "there must be one DPoP header", rule="dpop.one", at_resource=at_resource
            )
        try:
            proof = read_proof(sender.proofs[0])
        except ValueError as error:
            raise invalid_proof(
                f"the DPoP proof is malformed: {error}",
                rule="dpop.malformed",
                at_resource=at_resource,
            ) from None
        jws = proof.jws
        if not self.keys.keyring.check(proof.jwk, jws.alg, jws.message, jws.signature):
            raise invalid_proof(
                "the signature of the DPoP proof is wrong",
                rule="dpop.signature",
                at_resource=at_resource,
            )
        return proof


def replayed(*, at_resource: bool = False) -> OAuthError:
    return invalid_proof(
        "the DPoP proof was used before", rule="dpop.replayed", at_resource=at_resource
    )


def _unbound(description: str, rule: str) -> OAuthError:
    return OAuthError(
        "invalid_token", description, status=401, rule=rule, rfc="9449#7.1", scheme="DPoP"
    )
