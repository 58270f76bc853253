"""Users of one provider, and what each has made there: the same every time.

Private keys are the same for as long as the process lives.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

from safeconduct.core.upstream.keys import KeyField
from safeconduct.core.upstream.provider import BROUGHT, Provider
from safeconduct.simulator.delivery import put
from safeconduct.simulator.grants import Grant, Grants

PrivateKey = RSAKey | ECKey | OKPKey


@dataclass(slots=True)
class Owner:
    """`fields` by the names that the entry uses, `typed` as they stand in the form."""

    mode: str
    grant: Grant
    fields: dict[str, str] = field(repr=False)
    typed: dict[str, str] = field(repr=False)
    key: PrivateKey | None = field(default=None, repr=False)
    seen: set[str] = field(default_factory=set)  # every `jti` so far

    @property
    def user(self) -> str:
        return self.grant.user


@dataclass(slots=True)
class Owners:
    """All of one provider's."""

    provider: Provider
    grants: Grants
    known: dict[tuple[str, str], Owner] = field(default_factory=dict)

    @property
    def modes(self) -> tuple[str, ...]:
        return tuple(mode for mode in self.provider.auth.modes if mode in BROUGHT)

    def of(self, user: str, mode: str) -> Owner:
        if (mode, user) not in self.known:
            self.known[mode, user] = self._made(user, mode)
        return self.known[mode, user]

    def by(self, mode: str) -> Iterable[Owner]:
        return [owner for owner in self.known.values() if owner.mode == mode]

    def client_of(self, grant: Grant) -> tuple[str | None, str | None] | None:
        """The client whose grant this is, where a token is given to one."""
        for owner in self.known.values():
            how = getattr(self.provider.auth, owner.mode)
            if owner.grant is grant and getattr(how, "client_id", None):
                return how.client_id.fill(owner.fields), how.client_secret.fill(owner.fields)
        return None

    def at_home(self, grant: Grant, values: Mapping[str, str]) -> bool:
        """Whether what a URL was filled with is what this grant's owner has there."""
        for owner in self.known.values():
            if owner.grant is grant:
                return all(owner.fields.get(name) == value for name, value in values.items())
        return True

    def _made(self, user: str, mode: str) -> Owner:
        entry = self.provider.by(mode)
        how = entry.auth.service_account
        key = None if how is None else _key_of(user, how.assertion.alg)
        fields: dict[str, str] = {}
        for asked in entry.form:
            if asked.optional:
                continue
            for name in asked.gives:
                fields[name] = _value(asked, f"{self.provider.id}:{mode}:{user}:{name}", user)
        if how is not None and key is not None:
            secret = how.assertion.passphrase.fill(fields) if how.assertion.passphrase else None
            pem = key.as_pem(private=True, password=secret).decode()
            fields[how.assertion.key.names[0]] = pem.strip()
        grant = Grant(f"{mode}:{user}", user, _scope(entry), self.grants.now())
        self.grants.grants.append(grant)
        typed = {one.name: _typed(one, fields) for one in entry.form if not one.optional}
        return Owner(mode, grant, fields, typed, key)


def _scope(entry: Provider) -> tuple[str, ...]:
    return entry.speaks.scopes if entry.dialect else ()


def _value(asked: KeyField, seed: str, user: str) -> str:
    mark = sha256(f"sim:{seed}".encode()).hexdigest()
    if asked.pattern is not None and asked.example is not None and asked.name in asked.gives:
        return _shaped(asked.pattern, asked.example, mark)
    return f"{user}.{mark[:24]}"


def _shaped(pattern: str, example: str, mark: str) -> str:
    """The entry's example with other digits, as far as its pattern lets them be others."""
    made = list(example)
    for at in range(len(made)):
        other = mark[at % len(mark)]
        tried = [*made[:at], other, *made[at + 1 :]]
        if made[at].isdigit() == other.isdigit() and re.fullmatch(pattern, "".join(tried)):
            made = tried
    return "".join(made)


def _typed(asked: KeyField, fields: dict[str, str]) -> str:
    if asked.kind != "json":
        return fields[asked.name]
    document: dict[str, Any] = {"note": "made by the provider simulator"}
    for name, pointer in asked.reads.items():
        put(document, pointer, fields[name])
    return json.dumps(document, indent=2)


@lru_cache(maxsize=64)
def _key_of(user: str, alg: str) -> PrivateKey:
    """The user's own, the same at every provider: to make one on RSA takes its time."""
    match alg[0]:
        case "R" | "P":
            return RSAKey.generate_key(2048)
        case _ if alg.startswith("ES"):
            return ECKey.generate_key("P-256" if alg == "ES256" else "P-384")
        case _:
            return OKPKey.generate_key("Ed25519")
