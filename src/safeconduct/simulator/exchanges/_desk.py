"""What simulated exchanges have in common: keys, the user behind them, and what happened there."""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256, sha512
from urllib.parse import parse_qsl

from safeconduct.simulator.activity import Activity, Movement
from safeconduct.simulator.delivery import Answer

WATCHING = "watching"
"""A user of this name has keys that may not read the account: made without the permission."""


@dataclass(frozen=True, slots=True)
class Keys:
    api_key: str
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)


def keys_of(provider: str, user: str) -> Keys:
    """The keys that this user has made at this exchange; the same every time."""
    seed = f"sim:{provider}:{user}".encode()
    return Keys(
        f"{user}.{sha256(seed).hexdigest()[:24]}",
        b64encode(sha512(seed).digest()).decode(),
        sha256(seed + b":words").hexdigest()[:12],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A request, as much of it as an exchange looks at."""

    method: str
    url: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: str
    now: float

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_string, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body, keep_blank_values=True))


class Refused(Exception):
    """The exchange says no, in its own words."""

    def __init__(self, answer: Answer, why: str) -> None:
        super().__init__(why)
        self.answer, self.why = answer, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One trade: what was bought and sold, with the fee beside the cost, in the quote."""

    id: str
    base: str
    quote: str
    side: str
    size: Decimal
    cost: Decimal
    fee: Decimal
    at: int

    @property
    def price(self) -> Decimal:
        return self.cost / self.size


class Exchange(ABC):
    """One exchange. `activities` are kept by the house, so that both see the same story."""

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.refused: list[str] = []

    def answer(self, called: Called, activities: Mapping[str, Activity]) -> Answer:
        try:
            public = self.public(called)
            if public is not None:
                return public
            user = self.user(called)
            return self.private(called, activities[user])
        except Refused as refusal:
            self.refused.append(refusal.why)
            return refusal.answer

    @abstractmethod
    def public(self, called: Called) -> Answer | None:
        """What anybody may ask; None for the rest."""

    @abstractmethod
    def user(self, called: Called) -> str:
        """Whose signature this is; raises `Refused`."""

    @abstractmethod
    def private(self, called: Called, activity: Activity) -> Answer: ...

    def known(self, api_key: str) -> tuple[str, Keys] | None:
        """The user who made a key, and all of what was made."""
        user = api_key.partition(".")[0]
        keys = keys_of(self.provider, user)
        return (user, keys) if keys.api_key == api_key else None


def story(activity: Activity, now: float) -> list[Movement]:
    """What happened, moved so that it ended yesterday: exchanges tell of the last year at most."""
    movements = list(activity.movements())
    last = max(movement.at for movement in movements)
    today = datetime.fromtimestamp(now // 86_400 * 86_400, last.tzinfo)
    shift = timedelta(days=(today - last).days - 1)
    shift = max(shift, timedelta(0))
    return [replace(movement, at=movement.at + shift) for movement in movements]


def millis(movement: Movement) -> int:
    return int(movement.at.timestamp() * 1000)


def fills_of(movements: list[Movement]) -> Iterator[Fill]:
    """Both sides of every trade as one fill."""
    groups: dict[str, list[Movement]] = {}
    for movement in movements:
        if movement.group is not None:
            groups.setdefault(movement.group, []).append(movement)
    for group, sides in groups.items():
        out = next(side for side in sides if side.amount < 0)
        got = next(side for side in sides if side.amount > 0)
        if out.kind == "sell":
            base, quote, cost = out, got, got.amount + got.fee
        else:
            base, quote, cost = got, out, -out.amount - out.fee
        yield Fill(
            id=group,
            base=base.asset,
            quote=quote.asset,
            side="sell" if out.kind == "sell" else "buy",
            size=abs(base.amount),
            cost=cost,
            fee=quote.fee,
            at=millis(out),
        )


def balances(activity: Activity) -> dict[str, Decimal]:
    return {holding.asset.code: holding.balance for holding in activity.holdings}


def text(number: Decimal) -> str:
    return format(number, "f")
