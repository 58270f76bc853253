"""Data fetched through connections: raw answers, and what was made of them.

Positions and transactions are a pure function of raw records and a rule version. Amounts are
decimals carried as strings; a transaction's legs sum up to what moved, signed by direction.
"""

from decimal import Decimal

from safeconduct.core.model.record import Index, Json, TenantId, record


@record("syncs", key=("tenant_id", "connection_id", "capability"))
class Sync:
    """How far one capability (assets, transactions) of one connection has been read.

    `cursor` is the next page of the run under way; `mark` is what the last whole run reached.
    `pages` counts the pages of all runs, so that of two who committed one, one notices.
    `rule_version` is that of the rules by which everything has been classified.
    """

    tenant_id: TenantId
    connection_id: str
    capability: str
    status: str  # idle | running | failed (the run is not over, its last try failed)
    cursor: str | None
    mark: str | None
    run: int
    pages: int
    rule_version: int | None
    failures: int  # in a row
    error: str | None
    processed: int = 0  # records that the last whole run read
    requested_at: int | None
    started_at: int | None
    succeeded_at: int | None
    updated_at: int


@record(
    "raw_records",
    key=("tenant_id", "connection_id", "kind", "ref"),
    indexes=(Index(("tenant_id", "connection_id", "kind", "group_ref", "ref"), unique=True),),
)
class RawRecord:
    """A provider's own words: `body` is the JSON of one account or one transaction, as received.

    Numbers that a float would round are kept as their digits. `group_ref` is what the record
    belongs to, its own `ref` mostly; `context` what the request for it named (`$account`).
    """

    tenant_id: TenantId
    connection_id: str
    kind: str
    ref: str
    group_ref: str
    context: Json
    body: Json
    seen_at: int


@record(
    "positions",
    key=("tenant_id", "connection_id", "account", "asset"),
    indexes=(Index(("tenant_id", "user_id", "id"), unique=True),),
)
class Position:
    """What one provider account holds of one asset."""

    tenant_id: TenantId
    connection_id: str
    account: str
    asset: str
    id: str
    user_id: str
    provider_id: str
    asset_name: str | None
    quantity: Decimal
    value_currency: str | None
    value_amount: Decimal | None
    run: int  # the sync run that saw it last; older rows are gone at the provider
    updated_at: int


@record(
    "transactions",
    key=("tenant_id", "connection_id", "ref"),
    indexes=(
        Index(("tenant_id", "user_id", "at", "id"), unique=True),
        Index(("tenant_id", "user_id", "kind", "at", "id")),
        Index(("tenant_id", "id"), unique=True),
    ),
)
class Transaction:
    """`ref` is the provider's id, so that linking again creates no duplicates."""

    tenant_id: TenantId
    connection_id: str
    ref: str
    id: str
    user_id: str
    provider_id: str
    at: int
    category: str  # input_only | output_only | input_output | send | receive | uncategorized
    kind: str  # buy, sell, staking_reward, …
    tx_hash: str | None
    counterparty: str | None  # address on the other side
    network: str | None
    description: str | None
    value_currency: str | None
    value_amount: Decimal | None
    rule: str  # id of the rule that classified it
    rule_version: int
    confidence: str  # certain | likely | unknown
    created_at: int
    updated_at: int


@record(
    "legs",
    key=("tenant_id", "connection_id", "ref", "number"),
    indexes=(Index(("tenant_id", "user_id", "asset", "at", "transaction_id", "number")),),
)
class Leg:
    """One signed movement of a transaction: + into the account, − out of it.

    `transaction_id`, `provider_id`, `kind` and `at` are the transaction's, so that a list that is
    filtered by asset needs no join.
    """

    tenant_id: TenantId
    connection_id: str
    ref: str
    number: int
    transaction_id: str
    user_id: str
    provider_id: str
    kind: str
    account: str
    asset: str
    amount: Decimal
    role: str  # principal | fee | reward
    fee_type: str | None
    outside: bool  # the other end, not in an account at the provider: no balance holds it
    value_currency: str | None
    value_amount: Decimal | None
    at: int
