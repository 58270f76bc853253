"""How a provider's records become positions and transactions: the part of a catalogue entry
under `api.capabilities`. What is said here is data; `core.upstream.assets` carries it out.

A field is one term or a list of terms (see `pointer`): `/balance/amount`, `=USD`, `$account`.

    capability   request → pages → items → records, each with a `ref` that never changes
    position     what one account holds of one asset
    transaction  when, which legs moved, and rules that say what it was
    record       of a body: when a night or an exercise was, and its figures

Rules are tried in order; the first that matches names kind and category. What no rule knows is
kind `unknown`, category `uncategorized`, and keeps its legs, so that balances still add up.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from safeconduct.core.upstream.pointer import Pointer, Terms
from safeconduct.core.upstream.schema import InvalidEntry

Role = Literal["principal", "fee", "reward"]
FeeType = Literal["network", "trading", "withdrawal", "deposit", "other"]

KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("staking_reward", "interest", "mining", "airdrop", "fork", "income", "rebate"),
        "input_only",
    ),
    "gift_received": "input_only",
    **dict.fromkeys(("spend", "fee", "gift_sent", "lost"), "output_only"),
    **dict.fromkeys(("buy", "sell", "trade"), "input_output"),
    **dict.fromkeys(("withdrawal", "transfer_out"), "send"),
    **dict.fromkeys(("deposit", "transfer_in"), "receive"),
    "unknown": "uncategorized",
}
"""Every kind there is, and the category it belongs to."""

CapabilityName = Literal["assets", "transactions", "sleep", "activity"]
CAPABILITIES: tuple[CapabilityName, ...] = ("assets", "transactions", "sleep", "activity")
"""Every kind of data that an entry may know how to fetch."""

Lacking = Literal["trades", "deposits", "withdrawals", "high_frequency", "earn"]
"""What an account's history may be without; the last two are accounts of their own beside it."""
HealthKind = Literal["sleep", "activity"]
TimeFormat = Literal["iso8601", "epoch_s", "epoch_ms"]

METRICS: Mapping[str, str] = {
    **dict.fromkeys(("duration", "asleep", "deep", "light", "rem", "awake", "latency"), "s"),
    **dict.fromkeys(("heart_rate_avg", "heart_rate_min", "heart_rate_max"), "bpm"),
    "hrv": "ms",
    "respiratory_rate": "1/min",
    "temperature_deviation": "K",
    "efficiency": "%",
    "score": "%",
    "steps": "1",
    "distance": "m",
    "energy": "kcal",
    "energy_active": "kcal",
}
"""Every figure that a health record can have, and its unit."""

_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|\{[a-z][a-z0-9_]*\})*")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Path(str):
    """A path below the API's base URL; `{account}` comes from the record of `for_each`."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> "Path":
        if not isinstance(value, str) or not _PATH.fullmatch(value):
            raise ValueError("must be a path that starts with /")
        if "//" in value or any(part in (".", "..") for part in value.split("/")):
            raise ValueError("must not hold empty, . or .. segments")
        return cls(value)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(_SLOT.findall(self))


class Factor(Decimal):
    """A positive decimal number, written as text."""

    __slots__ = ()

    @classmethod
    def read(cls, value: object) -> "Factor":
        if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
            raise ValueError('must be a decimal number as text, such as "60"')
        if not Decimal(value):
            raise ValueError("must not be zero")
        return cls(value)


ONE = Factor(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The first request of a run."""

    path: Path
    method: Literal["GET", "POST"] = "GET"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """How to go on. `next_uri`: the answer holds the next URL, absolute or relative to the
    request's (RFC 3986 §5), at `pointer`. `cursor`: it holds a value at `pointer`, to be sent as
    the query parameter `parameter`. Null, absent or empty ends the run.
    """

    style: Literal["none", "next_uri", "cursor"] = "none"
    pointer: Pointer | None = None
    parameter: str | None = None

    def __post_init__(self) -> None:
        if (self.pointer is None) != (self.style == "none"):
            raise InvalidEntry("pointer", "goes with the styles next_uri and cursor")
        if (self.parameter is None) != (self.style != "cursor"):
            raise InvalidEntry("parameter", "goes with the style cursor")


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMap:
    """`account` is also what `{account}` stands for in the paths of other capabilities."""

    account: Terms
    asset: Terms
    quantity: Terms
    name: Terms | None = None
    value_amount: Terms | None = None
    value_currency: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LegMap:
    """One movement. A leg whose amount or asset is absent, or whose amount is zero, is not there.

    `sign`: `given` takes the record's own sign, `plus` and `minus` take the size and set it.
    `inside`, for fees: the amount of the principal leg contains it, so it is taken out of there;
    a fee in another asset than the principal's belongs to another record of the group and is
    passed over. `outside`: the other end, not in an account at this provider (a bank card).
    """

    account: Terms
    asset: Terms
    amount: Terms
    sign: Literal["given", "plus", "minus"] = "given"
    role: Role = "principal"
    fee_type: FeeType | None = None
    inside: bool = False
    outside: bool = False
    value_amount: Terms | None = None
    value_currency: Terms | None = None

    def __post_init__(self) -> None:
        if (self.fee_type is not None or self.inside) and self.role != "fee":
            raise ValueError("fee_type and inside belong to the role fee")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`when`: each pointer's value (as text) is one of the words; an empty list asks only that
    the pointer has a value. `sign` asks for the sign of the principal amount. `role` replaces
    the principal's role.
    """

    id: str
    kind: str
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sign: Literal["plus", "minus"] | None = None
    role: Role | None = None
    confidence: Literal["certain", "likely"] = "certain"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidEntry("kind", f"must be one of {', '.join(KINDS)}")
        if not self.when and self.sign is None:
            raise InvalidEntry("when", "must ask for something")
        for pointer in self.when:
            try:
                Pointer.read(pointer)
            except ValueError as error:
                raise InvalidEntry(f"when.{pointer}", str(error)) from None

    @property
    def category(self) -> str:
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionMap:
    """`group`: records of a connection with equal values are one transaction (the two sides of a
    trade); its `ref` is then the group's value. `settled`: pointer → words; a record that says
    something else is not final and is passed over until it is.
    """

    at: Terms
    at_format: TimeFormat = "iso8601"
    legs: tuple[LegMap, ...]
    rules: tuple[Rule, ...]
    rule_version: int = 1
    group: Terms | None = None
    settled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tx_hash: Terms | None = None
    counterparty: Terms | None = None
    network: Terms | None = None
    description: Terms | None = None
    value_amount: Terms | None = None
    value_currency: Terms | None = None

    def __post_init__(self) -> None:
        if [leg.role for leg in self.legs].count("principal") != 1:
            raise InvalidEntry("legs", "must have exactly one leg with the role principal")
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) != len(ids):
            raise InvalidEntry("rules", "must have distinct ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricMap:
    """One figure of a health record. `times`: what the provider's unit is in ours (60 for
    minutes), as a decimal number.
    """

    value: Terms
    times: Factor = ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMap:
    """When it began and ended, and its figures by the names of `METRICS`."""

    started_at: Terms
    ended_at: Terms | None = None
    at_format: TimeFormat = "iso8601"
    metrics: Mapping[str, MetricMap]

    def __post_init__(self) -> None:
        for name in self.metrics:
            if name not in METRICS:
                raise InvalidEntry(f"metrics.{name}", f"must be one of {', '.join(METRICS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetsCapability:
    """`items` points to the list; `ref` is a record's own id; `kind` names raw records.

    `example` is one record as the provider documents it: shown in the documentation, and the
    shape that the simulator fills. `needs_scope` is what the provider asks for.
    """

    kind: str
    request: Request
    pages: Pages = Pages()
    items: Pointer = Pointer("")
    ref: Terms
    position: PositionMap
    needs_scope: str | None = None
    example: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsCapability:
    """`for_each: assets` asks once for every account that the assets capability found.

    `newest_first`: the provider promises this order, so a reader may stop at what it knows.
    `since`: the query parameter that takes the moment (in milliseconds) up to which all is known.
    `lacks`: what happens there too, and cannot be read.
    """

    kind: str
    for_each: Literal["assets"] | None = None
    request: Request
    pages: Pages = Pages()
    items: Pointer = Pointer("")
    ref: Terms
    transaction: TransactionMap
    newest_first: bool = False
    since: str | None = None
    lacks: tuple[Lacking, ...] = ()
    needs_scope: str | None = None
    example: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.request.path.names and self.for_each is None:
            raise InvalidEntry("request.path", "has a placeholder, but nothing to go through")


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCapability:
    """Nights or exercises, one record each. The name under which the entry has it is its `kind`."""

    kind: HealthKind
    request: Request
    pages: Pages = Pages()
    items: Pointer = Pointer("")
    ref: Terms
    record: HealthMap
    newest_first: bool = False
    needs_scope: str | None = None
    example: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.request.path.names:
            raise InvalidEntry("request.path", "has a placeholder, but nothing to go through")
