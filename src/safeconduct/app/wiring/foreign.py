"""What the compatibility surfaces stand on beside the services of both directions."""

from dataclasses import dataclass

from safeconduct.app.wiring.connections import ConnectionServices
from safeconduct.app.wiring.grants import GrantServices
from safeconduct.app.wiring.ground import Ground
from safeconduct.services.apps import Apps
from safeconduct.services.managed_tokens import ManagedTokens
from safeconduct.services.managed_users import ManagedUsers
from safeconduct.services.session_codes import SessionCodes


@dataclass(frozen=True, kw_only=True)
class ForeignServices:
    session_codes: SessionCodes
    managed_tokens: ManagedTokens
    managed_users: ManagedUsers
    apps: Apps


def foreign_services(
    ground: Ground, grants: GrantServices, connections: ConnectionServices
) -> ForeignServices:
    session_codes = SessionCodes(**ground.keyed)
    managed_tokens = ManagedTokens(
        **ground.keyed, tokens=grants.tokens, codes=session_codes, realms=ground.realms
    )
    return ForeignServices(
        session_codes=session_codes,
        managed_tokens=managed_tokens,
        managed_users=ManagedUsers(
            **ground.common,
            tokens=managed_tokens,
            connections=connections.connections,
            disconnect=connections.disconnect,
        ),
        apps=Apps(
            **ground.common,
            catalog=ground.parts.catalog,
            start=connections.start,
            complete=connections.complete,
            connections=connections.connections,
            disconnect=connections.disconnect,
        ),
    )
