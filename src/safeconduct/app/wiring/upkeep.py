"""What keeps a deployment in order, and tells others what has happened in it."""

from dataclasses import dataclass

from safeconduct.app.wiring.ground import Ground
from safeconduct.core.policy import DAY
from safeconduct.core.webhooks import STANDARD, Pack, pack
from safeconduct.jobs.bell import Bell
from safeconduct.services.assets import Assets
from safeconduct.services.chain import Chain
from safeconduct.services.denials import Denials
from safeconduct.services.expiry import Expiry
from safeconduct.services.explanations import Explanations
from safeconduct.services.health import Health
from safeconduct.services.key_turning import KeyTurning
from safeconduct.services.vault import Vault
from safeconduct.services.vault_rotation import VaultRotation
from safeconduct.services.webhooks import Deliveries, FanOut, Webhooks
from safeconduct.web.compat import discover as surfaces


@dataclass(frozen=True, kw_only=True)
class UpkeepServices:
    key_turning: KeyTurning
    vault: Vault
    vault_rotation: VaultRotation
    denials: Denials
    explanations: Explanations
    expiry: Expiry
    chain: Chain
    health: Health
    webhooks: Webhooks
    deliveries: Deliveries
    fan_out: FanOut
    bell: Bell


def upkeep_services(ground: Ground, assets: Assets) -> UpkeepServices:
    common, parts, store = ground.common, ground.parts, ground.store
    return UpkeepServices(
        key_turning=KeyTurning(**ground.reading, every_ms=ground.switches.key_rotation_days * DAY),
        vault=ground.vault,
        vault_rotation=VaultRotation(**ground.keyed, vault=ground.vault),
        denials=ground.denials,
        explanations=Explanations(store=store, denials=ground.denials),
        expiry=Expiry(store=store, clock=parts.clock),
        chain=Chain(**ground.reading, kept_days=parts.events_kept_days),
        health=Health(**ground.reading, assets=assets),
        webhooks=Webhooks(**common, vault=ground.vault, deaf=ground.deaf),
        deliveries=Deliveries(
            **common,
            vault=ground.vault,
            outbound=parts.outbound,
            realms=ground.realms,
            packs=_packs(),
        ),
        fan_out=FanOut(**common, deaf=ground.deaf),
        bell=ground.bell,
    )


def _packs() -> dict[str, Pack]:
    """How webhooks look: our own way, and that of each surface which has one."""
    own = {surface.name: surface.pack for surface in surfaces().values() if surface.pack}
    return {STANDARD: pack, **own}
