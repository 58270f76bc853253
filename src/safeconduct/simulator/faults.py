"""Faults on demand: what a provider does wrong, where, and how many times.

A fault is a few independent switches (`Fault`); `KINDS` names the usual combinations. It waits
for requests to one provider (or any) and one endpoint (or any), lets `skip` of them pass, and is
used up after `times` (null: never).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

ENDPOINTS = (
    "authorize",
    "request",  # of temporary credentials (RFC 5849 §2.1)
    "device",  # of a device code (RFC 8628 §3.1)
    "token",
    "key",
    "refresh",
    "revoke",
    "identity",
    "api",
)

Body = Literal["json", "html", "garbage", "truncated", "array", "empty", "huge", "bomb"]
Send = Literal["whole", "lost", "drip", "cut"]

Forged = Literal[
    "unsigned", "symmetric", "key", "kid", "audience", "party", "issuer", "expired", "future",
    "no_nonce", "nonce_unsupported", "nonce", "no_subject", "at_hash", "type", "garbage",
]  # fmt: skip
"""What is wrong with an ID token."""


class BadFault(ValueError):
    """Somebody asked for a fault that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`work`: does the provider do what was asked before it fails? By default only where the
    answer is edited or its transport fails, not where it is replaced.
    """

    id: str = ""
    kind: str = "custom"
    provider: str | None = None
    endpoint: str | None = None
    times: int | None = 1
    skip: int = 0
    delay_s: float = 0.0
    work: bool | None = None
    status: int | None = None
    error: str | None = None
    body: Body = "json"
    retry_after: str | None = None  # seconds, a date, or `date:<seconds>` for a date so far ahead
    location: str | None = None
    bytes: int = 32 << 20
    set: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    scope: tuple[str, ...] | None = None
    other_account: bool = False
    id_token: Forged | None = None
    send: Send = "whole"
    after: int = 16
    pace_s: float = 0.05

    @property
    def replaces(self) -> bool:
        return self.status is not None or self.error is not None or self.body != "json"

    @property
    def works(self) -> bool:
        return self.work if self.work is not None else not self.replaces

    def concerns(self, provider: str, endpoint: str) -> bool:
        return self.provider in (None, provider) and self.endpoint in (None, endpoint)


KINDS: Mapping[str, Mapping[str, Any]] = {
    "429": {"status": 429, "retry_after": "1"},
    "500": {"status": 500},
    "502": {"status": 502, "body": "html"},
    "503": {"status": 503},
    "slow": {"delay_s": 2.0},
    "lost_answer": {"send": "lost"},
    "refused": {"send": "lost", "work": False},
    "drip": {"send": "drip"},
    "cut": {"send": "cut"},
    "html200": {"status": 200, "body": "html"},
    "garbage": {"status": 200, "body": "garbage"},
    "truncated": {"status": 200, "body": "truncated"},
    "array": {"status": 200, "body": "array"},
    "empty": {"status": 200, "body": "empty"},
    "huge": {"status": 200, "body": "huge"},
    "gzip_bomb": {"status": 200, "body": "bomb"},
    "redirect": {"status": 302, "location": "http://127.0.0.1:9/"},
    "invalid_grant": {"status": 400, "error": "invalid_grant"},
    "invalid_client": {"status": 401, "error": "invalid_client"},
    "temporarily_unavailable": {"status": 400, "error": "temporarily_unavailable"},
    "error200": {"status": 200, "error": "server_error"},
    "ok_false": {"status": 200, "set": {"/ok": False}},
    "unauthorized": {"status": 401},
    "expires_in": {},  # with `value`
    "omit_refresh_token": {"drop": ["refresh_token"]},
    "empty_refresh_token": {"set": {"refresh_token": ""}},
    "null_refresh_token": {"set": {"refresh_token": None}},
    "omit_access_token": {"drop": ["access_token"]},
    "newline_token": {"set": {"access_token": "one\ntwo"}},
    "narrow_scope": {},  # with `scope`
    "other_account": {"other_account": True},
    "omit_id_token": {"drop": ["id_token"]},
    "forged_id_token": {},  # with `id_token`
}


@dataclass(slots=True)
class Waiting:
    fault: Fault
    left: int | None
    skip: int
    taken: int = 0


class Faults:
    """Those that wait, in the order in which they came."""

    def __init__(self, providers: Callable[[], tuple[str, ...]]) -> None:
        self._providers = providers
        self._waiting: list[Waiting] = []
        self._count = 0

    def add(self, asked: Mapping[str, Any]) -> Fault:
        """Read a fault from its switches, or from its `kind` and the rest."""
        self._count += 1
        fault = replace(_read(asked), id=f"fault{self._count}")
        if fault.provider is not None and fault.provider not in self._providers():
            raise BadFault(f"there is no provider {fault.provider}")
        self._waiting.append(Waiting(fault, fault.times, fault.skip))
        return fault

    def take(self, provider: str, endpoint: str) -> Fault | None:
        """The fault for this request, if one waits for it."""
        for waiting in self._waiting:
            if not waiting.fault.concerns(provider, endpoint) or waiting.left == 0:
                continue
            if waiting.skip > 0:
                waiting.skip -= 1
                continue
            waiting.taken += 1
            if waiting.left is not None:
                waiting.left -= 1
            return waiting.fault
        return None

    def clear(self, *, id: str | None = None, provider: str | None = None) -> int:
        """Forget them all, or one, or one provider's; how many that were."""
        before = len(self._waiting)
        self._waiting = [
            waiting
            for waiting in self._waiting
            if (id is not None and waiting.fault.id != id)
            or (provider is not None and waiting.fault.provider != provider)
        ]
        return before - len(self._waiting)

    def shown(self) -> list[dict[str, Any]]:
        return [
            {
                "id": waiting.fault.id,
                "kind": waiting.fault.kind,
                "provider": waiting.fault.provider,
                "endpoint": waiting.fault.endpoint,
                "left": waiting.left,
                "taken": waiting.taken,
            }
            for waiting in self._waiting
        ]


_TYPES: Mapping[str, tuple[type[Any], ...]] = {
    "provider": (str,),
    "endpoint": (str,),
    "times": (int,),
    "skip": (int,),
    "delay_s": (int, float),
    "work": (bool,),
    "status": (int,),
    "error": (str,),
    "body": (str,),
    "retry_after": (str, int),
    "location": (str,),
    "bytes": (int,),
    "set": (dict,),
    "drop": (list,),
    "scope": (list,),
    "other_account": (bool,),
    "id_token": (str,),
    "send": (str,),
    "after": (int,),
    "pace_s": (int, float),
}
_NULLABLE = frozenset({"provider", "endpoint", "times", "work", "retry_after"})
_WORDS: Mapping[str, tuple[str, ...]] = {
    "endpoint": ENDPOINTS,
    "body": ("json", "html", "garbage", "truncated", "array", "empty", "huge", "bomb"),
    "send": ("whole", "lost", "drip", "cut"),
    "id_token": get_args(Forged),
}


def _read(asked: Mapping[str, Any]) -> Fault:
    given = dict(asked)
    kind = given.pop("kind", "custom")
    if kind not in KINDS and kind != "custom":
        raise BadFault(f"there is no kind {kind}; there are {', '.join(sorted(KINDS))}")
    made: dict[str, Any] = dict(KINDS.get(kind, {}))
    if kind == "expires_in":
        made["set"] = {"expires_in": given.pop("value", None)}
    if kind == "narrow_scope" and "scope" not in given:
        raise BadFault("narrow_scope needs `scope`, a list")
    if kind == "forged_id_token" and "id_token" not in given:
        raise BadFault("forged_id_token needs `id_token`, a word")
    for name, value in given.items():
        _check(name, value)
        made[name] = value
    for name in ("drop", "scope"):
        if made.get(name) is not None:
            made[name] = tuple(made[name])
    if isinstance(made.get("retry_after"), int):
        made["retry_after"] = str(made["retry_after"])
    return Fault(kind=kind, **made)


def _check(name: str, value: Any) -> None:
    known = {field.name for field in fields(Fault)} - {"id", "kind"}
    if name not in known:
        raise BadFault(f"a fault has no {name}")
    if value is None and name in _NULLABLE:
        return
    if not isinstance(value, _TYPES[name]) or (
        isinstance(value, bool) and bool not in _TYPES[name]
    ):
        raise BadFault(f"{name} has the wrong type")
    if name in _WORDS and value not in _WORDS[name]:
        raise BadFault(f"{name} must be one of {', '.join(_WORDS[name])}")
    if name == "status" and not 200 <= value <= 599:
        raise BadFault("status must be from 200 to 599")
