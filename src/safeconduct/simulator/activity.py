"""What happened in a user's accounts: made up, rich, and the same every time.

Amounts are exact. Every account starts at nothing, and its balance is the sum of its movements.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from hashlib import sha256
from random import Random
from uuid import NAMESPACE_URL, uuid5

EXACT = Context(prec=80)  # sums of any two amounts with 18 places, without rounding
FIRST_DAY = datetime(2024, 1, 3, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """`price` is in dollars, 0 where nobody trades it."""

    code: str
    name: str
    places: int
    price: Decimal
    fiat: bool = False
    network: str | None = None


ASSETS = (
    Asset(code="BTC", name="Bitcoin", places=8, price=Decimal(61_250), network="bitcoin"),
    Asset(code="ETH", name="Ethereum", places=18, price=Decimal(2_640), network="ethereum"),
    Asset(code="SOL", name="Solana", places=9, price=Decimal(148), network="solana"),
    Asset(code="USDC", name="USD Coin", places=6, price=Decimal(1), network="base"),
    Asset(code="USD", name="US Dollar", places=2, price=Decimal(1), fiat=True),
    Asset(code="QRX", name="Quorix", places=18, price=Decimal(0), network="quorix"),
)
"""Well-known coins, a currency, and one that nobody has heard of."""

BY_CODE = {asset.code: asset for asset in ASSETS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One record in one account. `fee` is inside `amount`; `group` joins the sides of a trade."""

    id: str
    account: str
    asset: str
    kind: str
    at: datetime
    amount: Decimal
    value: Decimal
    group: str | None = None
    fee: Decimal = Decimal(0)
    fee_type: str | None = None
    tx_hash: str | None = None
    counterparty: str | None = None
    network: str | None = None
    description: str | None = None
    settled: bool = True


@dataclass(slots=True)
class Holding:
    """One account, newest movement last."""

    id: str
    asset: Asset
    opened_at: datetime
    movements: list[Movement] = field(default_factory=list)

    @property
    def balance(self) -> Decimal:
        total = Decimal(0)
        for movement in self.movements:
            if movement.settled:
                total = EXACT.add(total, movement.amount)
        return total

    @property
    def newest_first(self) -> list[Movement]:
        return sorted(self.movements, key=lambda one: (one.at, one.id), reverse=True)


class Activity:
    """The accounts of one user at one provider."""

    def __init__(self, provider: str, user: str) -> None:
        self.user = user
        self.account_id = str(uuid5(NAMESPACE_URL, f"sim:{provider}:{user}"))
        self._seed = f"{provider}/{user}"
        self._count = 0
        seed = int.from_bytes(sha256(self._seed.encode()).digest()[:8])
        self._random = Random(seed)  # noqa: S311 (a story, not a secret)
        self.holdings = [
            Holding(self._id(f"account/{asset.code}"), asset, FIRST_DAY) for asset in ASSETS
        ]
        self._live()

    def holding(self, code: str) -> Holding:
        return next(holding for holding in self.holdings if holding.asset.code == code)

    def movements(self) -> Iterator[Movement]:
        for holding in self.holdings:
            yield from holding.movements

    def add(self, kind: str, code: str, amount: Decimal, at: datetime) -> Movement:
        """Something new happens, on demand; ValueError for what cannot."""
        if code not in BY_CODE:
            raise ValueError(f"there is no asset {code}")
        if not amount.is_finite() or not 0 < abs(amount) < 10**12:
            raise ValueError("the amount is none")
        if amount != self._down(code, amount):
            raise ValueError(f"{code} has {BY_CODE[code].places} decimal places")
        movement = self._moved(code, kind, amount, at)
        if self.holding(code).balance < 0:
            self.holding(code).movements.pop()
            raise ValueError(f"there is not enough {code}")
        return movement

    # ── the story ─────────────────────────────────────────────────────────────────────────

    def _live(self) -> None:
        days = self._days()
        for round_ in range(8):
            self._moved("USD", "deposit", self._round("USD", 900, 4_000), next(days))
            self._trade("buy", "USD", "BTC", next(days))
            self._trade("buy", "USD", ("ETH", "SOL", "USDC")[round_ % 3], next(days))
            self._reward("staking_reward", "ETH", next(days))
            self._receive("BTC" if round_ % 2 else "ETH", next(days))
            self._reward("staking_reward", "SOL", next(days))
            self._reward("interest", "USDC", next(days))
            if round_ % 2:
                self._send("BTC", next(days))
                self._trade("sell", "ETH", "USD", next(days))
                self._trade("trade", "ETH", "BTC", next(days))
                self._spend("USDC" if round_ % 4 == 1 else "USD", next(days))
            else:
                self._send("ETH", next(days))
                self._moved("USD", "fee", Decimal("-4.99"), next(days), text="Monthly fee")
                self._reward("airdrop", "QRX", next(days))
                self._trade("trade", "SOL", "USDC", next(days))
            if round_ in (2, 5):
                self._moved("USD", "rebate", self._round("USD", 1, 9), next(days))
                self._moved("USD", "withdrawal", -self._round("USD", 20, 60), next(days))
            if round_ in (3, 6):
                # What no rule of any catalogue entry knows.
                self._moved("QRX", "unknown", self._round("QRX", 1, 3), next(days))
                self._moved("SOL", "unknown", -self._part("SOL", 0.01, 0.02), next(days))
        self._moved("BTC", "withdrawal", -self._part("BTC", 0.1, 0.2), next(days), settled=False)

    def _days(self) -> Iterator[datetime]:
        at = FIRST_DAY
        while True:
            at += timedelta(
                hours=self._random.randint(9, 90), seconds=self._random.randint(0, 3599)
            )
            yield at

    def _moved(
        self,
        code: str,
        kind: str,
        amount: Decimal,
        at: datetime,
        *,
        group: str | None = None,
        fee: Decimal = Decimal(0),
        fee_type: str | None = None,
        chain: bool = False,
        text: str | None = None,
        settled: bool = True,
    ) -> Movement:
        self._count += 1
        holding = self.holding(code)
        on_chain = chain and holding.asset.network is not None
        movement = Movement(
            id=self._id(f"movement/{self._count}"),
            account=holding.id,
            asset=code,
            kind=kind,
            at=at,
            amount=amount,
            value=EXACT.multiply(amount, holding.asset.price).quantize(
                Decimal("0.01"), context=EXACT
            ),
            group=group,
            fee=fee,
            fee_type=fee_type,
            tx_hash=self._hex(f"hash/{self._count}", 64) if on_chain else None,
            counterparty=self._address(holding.asset.network) if on_chain else None,
            network=holding.asset.network if on_chain else None,
            description=text,
            settled=settled,
        )
        holding.movements.append(movement)
        return movement

    def _trade(self, kind: str, sold: str, bought: str, at: datetime) -> None:
        """Both sides, in two accounts; the fee is inside what is paid (or got) in the quote."""
        pays = self._part(sold, 0.15, 0.4)
        if pays <= 0:
            return
        quote = sold if kind != "sell" else bought
        worth = EXACT.divide(EXACT.multiply(pays, BY_CODE[sold].price), BY_CODE[bought].price)
        got = self._down(bought, EXACT.multiply(worth, Decimal("0.994")))
        base = pays if quote == sold else got
        fee = self._down(quote, EXACT.multiply(base, Decimal("0.006")))
        group = self._id(f"trade/{self._count}")
        for code, amount in ((sold, -pays), (bought, got)):
            self._moved(
                code,
                kind,
                amount,
                at,
                group=group,
                fee=fee if code == quote else Decimal(0),
                fee_type="trading" if code == quote else None,
            )

    def _send(self, code: str, at: datetime) -> None:
        amount = self._part(code, 0.05, 0.15)
        fee = self._down(code, EXACT.multiply(amount, Decimal("0.01")))
        self._moved(code, "withdrawal", -amount, at, fee=fee, fee_type="network", chain=True)

    def _receive(self, code: str, at: datetime) -> None:
        self._moved(code, "deposit", self._round(code, 150, 900), at, chain=True)

    def _reward(self, kind: str, code: str, at: datetime) -> None:
        self._moved(code, kind, self._round(code, 1, 12), at)

    def _spend(self, code: str, at: datetime) -> None:
        self._moved(code, "spend", -self._part(code, 0.02, 0.08), at, text="Corner Café")

    # ── amounts and ids ───────────────────────────────────────────────────────────────────

    def _round(self, code: str, low: int, high: int) -> Decimal:
        """An amount worth so many dollars, with every decimal place the asset has."""
        asset = BY_CODE[code]
        dollars = Decimal(self._random.randint(low * 10**6, high * 10**6)) / 10**6
        tail = Decimal(self._random.randint(1, 10 ** min(asset.places, 6))).scaleb(-asset.places)
        price = asset.price or Decimal("0.4")
        return EXACT.add(self._down(code, EXACT.divide(dollars, price)), tail)

    def _part(self, code: str, low: float, high: float) -> Decimal:
        share = Decimal(self._random.randint(int(low * 10**6), int(high * 10**6))) / 10**6
        return self._down(code, EXACT.multiply(self.holding(code).balance, share))

    def _down(self, code: str, amount: Decimal) -> Decimal:
        unit = Decimal(1).scaleb(-BY_CODE[code].places)
        return amount.quantize(unit, rounding=ROUND_DOWN, context=EXACT)

    def _id(self, what: str) -> str:
        return str(uuid5(NAMESPACE_URL, f"sim:{self._seed}:{what}"))

    def _address(self, network: str | None) -> str:
        prefix = "bc1q" if network == "bitcoin" else "0x"
        return prefix + self._hex(f"address/{self._count}", 40)

    def _hex(self, what: str, length: int) -> str:
        return sha256(f"{self._seed}/{what}".encode()).hexdigest()[:length]
