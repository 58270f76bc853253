"""Device codes that wait for somebody (RFC 8628), and how often they are asked for."""

from dataclasses import dataclass, field
from secrets import choice, token_urlsafe

from safeconduct.simulator.grants import Denied

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # §6.1: no vowels, so that no words come out
EARLY_S = 0.3


@dataclass(slots=True)
class Asking:
    """One code that waits for somebody."""

    user_code: str
    scope: tuple[str, ...]
    ends_at: float
    interval_s: float
    polled_at: float
    user: str | None = None
    denied: bool = False


@dataclass(slots=True)
class Waiting:
    """All of one house, by device code."""

    codes: dict[str, Asking] = field(default_factory=dict)

    def ask(
        self, scope: tuple[str, ...], now: float, *, lifetime_s: float, interval_s: float
    ) -> tuple[str, Asking]:
        device_code = f"sim_device_{token_urlsafe(32)}"
        asking = Asking(
            user_code="-".join("".join(choice(LETTERS) for _ in range(4)) for _ in range(2)),
            scope=scope,
            ends_at=now + lifetime_s,
            interval_s=interval_s,
            polled_at=now,
        )
        self.codes[device_code] = asking
        return device_code, asking

    def typed(self, user_code: str, now: float) -> Asking | None:
        """What somebody has typed in, if nobody has decided on it yet."""
        wanted = user_code.replace("-", "").strip().upper()
        for asking in self.codes.values():
            if asking.user_code.replace("-", "") == wanted and now < asking.ends_at:
                return asking if asking.user is None and not asking.denied else None
        return None

    def redeem(self, device_code: str, now: float) -> tuple[str, tuple[str, ...]]:
        """§3.4 and §3.5: who said yes, and to what."""
        asking = self.codes.get(device_code)
        if asking is None:
            raise Denied("invalid_grant", "the device code is unknown or was used")
        if now >= asking.ends_at:
            raise Denied("expired_token", "it took too long")
        soon = now - asking.polled_at < asking.interval_s - EARLY_S
        asking.polled_at = now
        if soon:
            asking.interval_s += 5
            raise Denied("slow_down", "you ask too often")
        if asking.denied:
            raise Denied("access_denied", "the user said no")
        if asking.user is None:
            raise Denied("authorization_pending", "nobody has decided yet")
        del self.codes[device_code]
        return asking.user, asking.scope
