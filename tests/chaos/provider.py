"""The provider's process: serves until it is told to stop, then writes its books down."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from tests.chaos.scene import Scene

from safeconduct.simulator.grants import Grant


def provide(scene: Scene, books: Path) -> None:
    """What a forked process does until SIGTERM."""
    asyncio.run(_provide(scene, books))


async def _provide(scene: Scene, books: Path) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await scene.simulator.start(port=scene.port)
    await told.wait()
    await scene.simulator.stop()
    houses = scene.simulator.street.houses.values()
    written = {grant.user: _shown(grant) for house in houses for grant in house.grants.grants}
    books.write_text(json.dumps(written))


def _shown(grant: Grant) -> dict[str, Any]:
    """`newest`: the refresh token that the provider would take now."""
    given = [token for token in grant.tokens if token.kind == "refresh"]
    return {
        "ended": grant.ended,
        "newest": given[-1].value,
        "given_at": [token.issued_at for token in given],
        "refreshes": grant.refreshes,
        "requests": grant.refresh_requests,
        "graced": grant.graced,
        "reuses": grant.reuses,
        "overlaps": grant.overlaps,
    }
