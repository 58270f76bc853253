"""RFC 9449: a proof that whoever sends a request holds a key.

What is judged here is everything but the signature. The `jti` is remembered for as long as the
proof would pass, by the digest of key and `jti`; a nonce of ours (§8) is a time and a code over
it, so that any node can say whether another has given it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from urllib.parse import urlsplit

from safeconduct.core.errors import OAuthError, invalid_request
from safeconduct.core.form import Form
from safeconduct.core.jwk import SIGNING, Jwk, b64url, thumbprint, unb64url, unusable, verifying
from safeconduct.core.jws import MAX_HELD, Jws, parse_jws, read_header
from safeconduct.core.mac import mac

TYP = "dpop+jwt"
KIND = "dpop"  # of one-time identifiers
ALGORITHMS = tuple(SIGNING)
MAX_PROOF = 8_192
WINDOW = 60_000  # milliseconds, either way: clocks of clients are not ours
MAX_JTI = 256
NONCE_STEP = 60_000
NONCE_STEPS = 5  # how long a nonce is good for: five minutes

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof as read: nothing of it has been checked but its form."""

    jws: Jws
    jwk: Jwk
    jkt: str

    @property
    def nonce(self) -> str | None:
        nonce = self.jws.claims.get("nonce")
        return nonce if isinstance(nonce, str) else None

    @property
    def spent_id(self) -> str:
        """Names it among all proofs; one size, whatever the client chose as `jti`."""
        both = f"{self.jkt}\0{self.jws.claims['jti']}".encode("utf-8", "surrogatepass")
        return b64url(sha256(both).digest()[:24])

    @property
    def until(self) -> int:
        """From when on it could not be used again anyway."""
        return int(self.jws.claims["iat"] * 1000) + WINDOW


def read_proof(text: str) -> Proof:
    """§4.2, §4.3 items 2 to 6; `ValueError` says which is not as it must be."""
    jws = parse_jws(text, MAX_PROOF)
    head = text.partition(".")[0]
    jwk, jkt = _holder(head) if len(head) <= MAX_HELD else _holder.__wrapped__(head)
    jti, iat, nonce = (jws.claims.get(name) for name in ("jti", "iat", "nonce"))
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise ValueError("jti is missing")
    if isinstance(iat, bool) or not isinstance(iat, int | float) or not 0 <= iat < 1e11:
        raise ValueError("iat is missing")
    if nonce is not None and not isinstance(nonce, str):
        raise ValueError("nonce is no string")
    return Proof(jws, jwk, jkt)


@lru_cache(1_024)
def _holder(head: str) -> tuple[Jwk, str]:
    """The key of a proof's header and its thumbprint: all that the header says."""
    header = read_header(head)
    if header.get("typ") != TYP:
        raise ValueError("typ is not dpop+jwt")
    jwk = header.get("jwk")
    reason = unusable(jwk)
    if reason or jwk is None:
        raise ValueError(f"jwk cannot be used: {reason}")
    if not verifying((jwk,), header["alg"], None):
        raise ValueError("alg is none that is used with such a key")
    return jwk, thumbprint(jwk)


def trouble(
    proof: Proof,
    method: str,
    path: str,
    origins: Collection[str],
    now: int,
    token: str | None = None,
) -> str | None:
    """§4.3 items 8 to 12: why the proof is not for this request; None if it is."""
    claims = proof.jws.claims
    if claims.get("htm") != method:
        return "htm is not the method of the request"
    if not _same_target(claims.get("htu"), path, origins):
        return "htu is not the address of the request"
    if abs(claims["iat"] * 1000 - now) > WINDOW:
        return "iat is not near the time of the request"
    if token is not None and claims.get("ath") != b64url(sha256(token.encode()).digest()):
        return "ath is not the hash of the access token"
    return None


def _same_target(htu: object, path: str, origins: Collection[str]) -> bool:
    """Item 9: "without query and fragment parts", after the normalization of RFC 3986 §6.2.2."""
    if any(htu == origin + path for origin in origins):
        return True
    if not isinstance(htu, str) or not all("!" <= char <= "~" for char in htu):
        return False
    target = htu.partition("#")[0].partition("?")[0]
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None or not parts.hostname:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    origin = f"{parts.scheme}://{host}" + ("" if port in (None, usual) else f":{port}")
    return origin in origins and _normal(parts.path or "/") == _normal(path)


def _normal(path: str) -> str:
    """RFC 3986 §6.2.2.1 and §6.2.2.2: escapes in upper case, and none that need not be."""
    head, *rest = path.split("%")
    made = [head]
    for part in rest:
        try:
            byte = int(part[:2], 16) if len(part) >= 2 else -1
        except ValueError:
            byte = -1
        plain = byte in _UNRESERVED
        made.append((chr(byte) if plain else "%" + part[:2].upper()) + part[2:])
    return "".join(made)


def read_jkt(value: str | None) -> str | None:
    """§10: `dpop_jkt` of an authorization request, the thumbprint of the key to come."""
    if value is None:
        return None
    try:
        sound = len(unb64url(value)) == 32
    except ValueError:
        sound = False
    if not sound:
        raise invalid_request("dpop_jkt is no thumbprint", rule="dpop_jkt.malformed", rfc="9449#10")
    return value


def bind(form: Form, jkt: str) -> None:
    """§10.1: a proof with a pushed request says the same as `dpop_jkt`, and not otherwise."""
    if form.get("dpop_jkt", jkt) != jkt:
        raise invalid_proof("dpop_jkt is not the key of the DPoP proof", rule="dpop_jkt.key")
    form["dpop_jkt"] = jkt


# Nonces (§8, §9)


def make_nonce(key: bytes, role: str, now: int) -> str:
    """For `role` "as" or "rs": a nonce of the one is none of the other's."""
    return _nonce(key, role, now // NONCE_STEP)


def fresh(nonce: str, key: bytes, role: str, now: int) -> bool:
    """Whether this nonce was given not long ago, by whichever node."""
    try:
        step = int.from_bytes(unb64url(nonce)[:5])
    except ValueError:
        return False
    age = now // NONCE_STEP - step
    return 0 <= age < NONCE_STEPS and nonce == _nonce(key, role, step)


def _nonce(key: bytes, role: str, step: int) -> str:
    time = step.to_bytes(5)
    return b64url(time + mac(key, b"dpop nonce\0" + role.encode() + b"\0" + time)[:13])


# Errors


def invalid_proof(description: str, *, rule: str, at_resource: bool = False) -> OAuthError:
    """§5 at the authorization server, §7.1 at a resource."""
    return OAuthError(
        "invalid_dpop_proof",
        description,
        status=401 if at_resource else 400,
        rule=rule,
        rfc="9449#4.3",
        scheme="DPoP",
    )


def use_nonce(nonce: str, *, at_resource: bool = False) -> OAuthError:
    return OAuthError(
        "use_dpop_nonce",
        "the proof needs the nonce that comes with this answer",
        status=401 if at_resource else 400,
        rule="dpop.nonce",
        rfc="9449#9" if at_resource else "9449#8",
        scheme="DPoP",
        dpop_nonce=nonce,
    )
