"""What a provider remembers: codes, grants and tokens, and a ledger of how they were used.

It is the judge of whoever refreshes against it. Per grant it counts refreshes that were given,
refreshes that overlapped in time, and reuses of a token that had been spent. A token that was
answered `invalid_grant` once may be tried again without counting: that is how one makes sure.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, Literal

from safeconduct.simulator.options import Options


class Denied(Exception):
    """The token endpoint says no (RFC 6749 §5.2)."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


@dataclass(slots=True)
class Token:
    """`state`: live, spent (rotated away), or dead."""

    value: str
    kind: Literal["access", "refresh"]
    grant: "Grant"
    issued_at: float
    expires_at: float | None
    state: Literal["live", "spent", "dead"] = "live"
    spent_at: float | None = None
    successor: "Token | None" = None
    answered: bool = False  # with invalid_grant
    uses: int = 0

    def alive(self, now: float) -> bool:
        fresh = self.expires_at is None or now < self.expires_at
        return self.state == "live" and fresh and self.grant.ended is None

    def shown(self, now: float) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "suffix": self.value[-6:],
            "digest": sha256(self.value.encode()).hexdigest(),
            "state": self.state,
            "alive": self.alive(now),
            "uses": self.uses,
            "issued_at": self.issued_at,
            "expires_at": self.expires_at,
        }


@dataclass(slots=True)
class Grant:
    """One consent of one user."""

    id: str
    user: str
    scope: tuple[str, ...]
    created_at: float
    nonce: str | None = None
    site: dict[str, str] = field(default_factory=dict)
    ended: str | None = None  # reuse, revoked, code_reuse, user
    tokens: list[Token] = field(default_factory=list)
    refresh_requests: int = 0
    refreshes: int = 0
    in_flight: int = 0
    overlaps: int = 0
    reuses: int = 0
    graced: int = 0
    revocations: int = 0
    api_calls: int = 0

    def is_at(self, site: Mapping[str, str]) -> bool:
        """Whether it was given at this site. Not every URL of a provider says all of it."""
        return all(self.site.setdefault(name, value) == value for name, value in site.items())

    def end(self, why: str) -> None:
        self.ended = self.ended or why
        for token in self.tokens:
            token.state = "dead"

    def shown(self, now: float, *, tokens: bool) -> dict[str, Any]:
        alive = [token for token in self.tokens if token.alive(now)]
        return {
            "id": self.id,
            "user": self.user,
            "scope": list(self.scope),
            "site": dict(self.site),
            "created_at": self.created_at,
            "alive": self.ended is None,
            "ended": self.ended,
            "refresh_requests": self.refresh_requests,
            "refreshes": self.refreshes,
            "overlaps": self.overlaps,
            "reuses": self.reuses,
            "graced": self.graced,
            "revocations": self.revocations,
            "api_calls": self.api_calls,
            "live_access_tokens": sum(token.kind == "access" for token in alive),
            "live_refresh_tokens": sum(token.kind == "refresh" for token in alive),
            "tokens": [token.shown(now) for token in self.tokens] if tokens else [],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a code is bound to."""

    redirect_uri: str
    scope: tuple[str, ...]
    user: str
    challenge: str | None
    nonce: str | None = None
    site: Mapping[str, str] = field(default_factory=dict)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Given:
    """What the token endpoint gives."""

    access: Token
    refresh: Token | None
    scope: tuple[str, ...]
    new_refresh: bool


@dataclass(slots=True)
class Grants:
    """All of one provider's."""

    options: Options
    now: Callable[[], float]
    codes: dict[str, Asked] = field(default_factory=dict)
    redeemed: dict[str, Grant] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    tokens: dict[str, Token] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def issue_code(self, **asked: Any) -> str:
        code = f"sim_code_{token_urlsafe(24)}"
        self.codes[code] = Asked(**asked, expires_at=self.now() + self.options.code_lifetime_s)
        return code

    def redeem(
        self, code: str, redirect_uri: str | None, verifier: str | None, *, refreshable: bool
    ) -> Given:
        """RFC 6749 §4.1.3; a code that comes again ends what it gave (§4.1.2)."""
        if code in self.redeemed:
            self.redeemed[code].end("code_reuse")
            raise Denied("invalid_grant", "the code has been used")
        asked = self.codes.get(code)
        if asked is None or self.now() >= asked.expires_at:
            raise Denied("invalid_grant", "the code is unknown or has expired")
        if redirect_uri != asked.redirect_uri:
            raise Denied("invalid_grant", "redirect_uri is not the one of the request")
        if asked.challenge is not None and (verifier is None or _s256(verifier) != asked.challenge):
            raise Denied("invalid_grant", "code_verifier does not match")
        if asked.challenge is None and verifier is not None:
            raise Denied("invalid_grant", "there was no code_challenge")  # RFC 9700 §2.1.1
        del self.codes[code]
        given = self.begin(asked.user, asked.scope, refreshable=refreshable)
        given.access.grant.nonce = asked.nonce
        given.access.grant.site |= asked.site
        self.redeemed[code] = given.access.grant
        return given

    def elsewhere(self, value: str, site: Mapping[str, str]) -> bool:
        """Whether a code or a token is of another site, and so unknown here."""
        token, asked = self.tokens.get(value), self.codes.get(value)
        if token is not None:
            return not token.grant.is_at(site)
        known = {} if asked is None else asked.site
        return any(known.get(name, text) != text for name, text in site.items())

    def begin(self, user: str, scope: tuple[str, ...], *, refreshable: bool) -> Given:
        """A consent, whichever way it was given."""
        grant = Grant(f"grant{len(self.grants) + 1}", user, scope, self.now())
        self.grants.append(grant)
        refresh = self._refresh_token(grant) if refreshable else None
        return Given(self._access(grant), refresh, grant.scope, True)

    @contextmanager
    def refreshing(self, value: str) -> Iterator[None]:
        """Around a refresh from its arrival to the last byte of its answer."""
        token = self.tokens.get(value)
        with self.busy(None if token is None else token.grant):
            yield

    @contextmanager
    def busy(self, grant: Grant | None) -> Iterator[None]:
        """Around a request for the next token of a grant."""
        if grant is None:
            yield
            return
        grant.refresh_requests += 1
        grant.overlaps += grant.in_flight > 0
        grant.in_flight += 1
        try:
            yield
        finally:
            grant.in_flight -= 1

    def anew(self, grant: Grant, scope: tuple[str, ...] | None = None) -> Given:
        """RFC 6749 §4.4.3: another token, and no refresh token with it."""
        if scope is not None:
            grant.scope = scope
        grant.refreshes += 1
        return Given(self._access(grant), None, grant.scope, False)

    def refresh(self, value: str, kind: str, scope: tuple[str, ...] | None = None) -> Given:
        """RFC 6749 §6, as strict as `Options.rotation` says. `scope` narrows (a fault)."""
        token = self.tokens.get(value)
        if token is None or token.kind != kind:
            raise Denied("invalid_grant", "the token is unknown")
        token.uses += 1
        grant = token.grant
        if grant.ended is None and token.state == "spent":
            self._again(token)
        elif not token.alive(self.now()):
            token.answered = True
            raise Denied("invalid_grant", "the token is revoked or has expired")
        if scope is not None:
            grant.scope = scope
        grant.refreshes += 1
        if kind == "access":
            token.state = "dead"
            return Given(self._access(grant), None, grant.scope, False)
        if self.options.rotation == "none":
            return Given(self._access(grant), token, grant.scope, False)
        if token.successor is not None:
            token.successor.state = "dead"  # within the grace: what the first use gave is void
        token.state = "spent"
        token.spent_at = self.now() if token.spent_at is None else token.spent_at
        token.successor = self._refresh_token(grant)
        return Given(self._access(grant), token.successor, grant.scope, True)

    def _again(self, token: Token) -> None:
        """A spent token was presented: within its grace, or reuse."""
        if self.graceful(token):
            token.grant.graced += 1
            return
        if not token.answered:
            token.grant.reuses += 1
        token.answered = True
        token.grant.end("reuse")
        raise Denied("invalid_grant", "the token has been used; the grant is revoked")

    def graceful(self, token: Token) -> bool:
        """Spent just now, and what came for it was not used yet."""
        if self.options.rotation != "grace" or token.grant.ended or token.spent_at is None:
            return False
        used = token.successor is not None and token.successor.state == "spent"
        return not used and self.now() - token.spent_at <= self.options.grace_s

    def revoke(self, value: str, *, whole: bool = False) -> None:
        """RFC 7009: a refresh token takes its whole grant along; an access token where `whole`."""
        token = self.tokens.get(value)
        if token is None:
            return
        token.grant.revocations += 1
        if whole or token.kind == "refresh":
            token.grant.end("revoked")
        token.state = "dead"

    def bearer(self, value: str) -> Grant | None:
        token = self.tokens.get(value)
        if token is None or token.kind != "access" or not token.alive(self.now()):
            return None
        token.uses += 1
        token.grant.api_calls += 1
        return token.grant

    def _access(self, grant: Grant) -> Token:
        return self._mint(grant, "access", self.now() + self.options.access_lifetime_s)

    def _refresh_token(self, grant: Grant) -> Token:
        """It ends when the grant's time is over, or when it is left unused too long."""
        options = self.options
        ends = [
            start + life
            for start, life in (
                (grant.created_at, options.refresh_lifetime_s),
                (self.now(), options.refresh_idle_s),
            )
            if life is not None
        ]
        return self._mint(grant, "refresh", min(ends, default=None))

    def _mint(
        self, grant: Grant, kind: Literal["access", "refresh"], expires_at: float | None
    ) -> Token:
        value = f"sim_{kind[0]}t_{token_urlsafe(32)}"
        token = Token(value, kind, grant, self.now(), expires_at)
        grant.tokens.append(token)
        self.tokens[value] = token
        return token

    def count(self, endpoint: str) -> None:
        self.requests[endpoint] = self.requests.get(endpoint, 0) + 1

    def refuse(self, error: str) -> None:
        self.refused[error] = self.refused.get(error, 0) + 1

    def shown(self, *, tokens: bool = True) -> dict[str, Any]:
        now = self.now()
        grants = [grant.shown(now, tokens=tokens) for grant in self.grants]
        return {
            "requests": dict(self.requests),
            "refused": dict(self.refused),
            "codes": {"open": len(self.codes), "redeemed": len(self.redeemed)},
            "overlaps": sum(grant["overlaps"] for grant in grants),
            "reuses": sum(grant["reuses"] for grant in grants),
            "grants": grants,
        }


def _s256(verifier: str) -> str:
    """RFC 7636 §4.2, written down once more: a judge does not borrow the judged one's code."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
