"""What every service may stand on: the ports, and the few services that all others need."""

from dataclasses import dataclass
from typing import Any

from safeconduct.app.parts import Parts, Switches
from safeconduct.jobs.bell import Bell, BellStore
from safeconduct.services.denials import Denials
from safeconduct.services.keys import Keys
from safeconduct.services.realms import Realms
from safeconduct.services.resources import Resources
from safeconduct.services.vault import Vault
from safeconduct.services.webhooks import TellingStore
from safeconduct.services.webhooks.fan_out import Deaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Made first. `common` and `keyed` are what most services are made with."""

    issuer: str
    parts: Parts
    switches: Switches
    store: TellingStore
    bell: Bell
    deaf: Deaf
    keys: Keys
    realms: Realms
    vault: Vault
    resources: Resources
    denials: Denials

    @property
    def common(self) -> dict[str, Any]:
        return {"store": self.store, "clock": self.parts.clock, "mint": self.parts.mint}

    @property
    def keyed(self) -> dict[str, Any]:
        return {**self.common, "keys": self.keys}

    @property
    def reading(self) -> dict[str, Any]:
        """For services that make nothing new."""
        return {"store": self.store, "keys": self.keys, "clock": self.parts.clock}


def ground_of(issuer: str, parts: Parts, switches: Switches) -> Ground:
    bell, deaf, clock, mint = Bell(), Deaf(), parts.clock, parts.mint
    parts.store.on_outside_write(deaf.forget)
    # Whoever enqueues a job wakes the runner, and whoever tells of something enqueues one
    store = TellingStore(BellStore(parts.store, bell), deaf, clock, mint)
    keys = Keys(store=store, clock=clock, mint=mint, keyring=parts.keyring)
    return Ground(
        issuer=issuer,
        parts=parts,
        switches=switches,
        store=store,
        bell=bell,
        deaf=deaf,
        keys=keys,
        realms=Realms(keys, issuer, switches.registration),
        vault=Vault(keys),
        resources=Resources(store=store, clock=clock, mint=mint),
        denials=Denials(clock=clock, mint=mint, store=store),
    )
