"""Who belongs to whom: a tenant is an organisation, with members, teams, and users it manages."""

from safeconduct.core.model.record import Index, Json, TenantId, record


@record(
    "teams",
    key=("tenant_id", "id"),
    indexes=(
        Index(("tenant_id", "number"), unique=True),
        Index(("tenant_id", "slug"), unique=True),
    ),
)
class Team:
    tenant_id: TenantId
    id: str
    number: int
    name: str
    slug: str
    created_at: int
    updated_at: int


@record(
    "memberships",
    key=("tenant_id", "team_id", "user_id"),
    indexes=(Index(("tenant_id", "user_id")),),
)
class Membership:
    """Of a team, or of the whole organisation when `team_id` is empty. Counts once accepted."""

    tenant_id: TenantId
    team_id: str
    user_id: str
    role: str  # MEMBER | ADMIN | OWNER
    accepted_at: int | None
    created_at: int


@record(
    "managed_users",
    key=("tenant_id", "user_id"),
    indexes=(Index(("tenant_id", "client_id", "number"), unique=True),),
)
class ManagedUser:
    """A user that a client made and looks after. `number` is the user's own.

    `email` is the address in its stored form, `asked_email` the one that was given.
    """

    tenant_id: TenantId
    user_id: str
    client_id: str
    number: int
    email: str
    asked_email: str
    username: str
    profile: Json
    created_at: int
    updated_at: int


@record("managed_blocks", key=("tenant_id", "client_id", "block"))
class ManagedBlock:
    """How many users of a client have a number in this block of numbers. By these counts a list
    is entered at any place, without walking over all that comes before.
    """

    tenant_id: TenantId
    client_id: str
    block: int
    count: int


@record("platform_clients", key=("tenant_id", "client_id"))
class PlatformClient:
    """What a client that manages users has beside its registration.

    `permissions` is a mask of `core.permissions`.
    """

    tenant_id: TenantId
    client_id: str
    permissions: int
    settings: Json
    created_at: int


@record(
    "installed_apps",
    key=("tenant_id", "owner", "app"),
    indexes=(
        Index(("tenant_id", "number"), unique=True),
        Index(("tenant_id", "connection_id")),
    ),
)
class InstalledApp:
    """A provider that a user or a team (`owner`) uses, and the connection behind it, if any."""

    tenant_id: TenantId
    owner: str
    app: str
    number: int
    user_id: str  # who installed it
    connection_id: str | None
    is_default: bool
    created_at: int
