"""/api/v1/transactions: what happened in linked accounts, as signed legs."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from safeconduct.core.amounts import plain
from safeconduct.core.model import Leg, Transaction
from safeconduct.core.upstream.records import KINDS
from safeconduct.services.assets import Assets
from safeconduct.services.connections import Connections
from safeconduct.web.api.describe import (
    DECIMAL,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    many,
    operation,
    query,
    record,
)
from safeconduct.web.api.holdings import (
    QUERY,
    SCHEMAS,
    WORTH_OR_NULL,
    Document,
    filters_of,
    listing,
    owner_of,
    page_with_problems,
    worth,
)
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.subject import api_route, json, subject_of
from safeconduct.web.kit.bearer import Judge
from safeconduct.web.kit.paging import cursor_of, limit_of

READ = "transactions:read"


class TransactionsApi:
    def __init__(self, *, assets: Assets, connections: Connections, access: Judge) -> None:
        self.assets, self.connections, self.access = assets, connections, access

    def routes(self) -> list[Route]:
        return [api_route("/api/v1/transactions", "GET", self.list)]

    async def list(self, request: Request) -> Response:
        subject = await subject_of(request, self.access, READ)
        filters, limit = filters_of(request, kinds=True), limit_of(request)
        user_id = await owner_of(subject, filters, self.connections)
        found = await self.assets.transactions(
            subject.tenant_id, user_id, filters, cursor_of(request), limit
        )
        return json(listing([document(row, legs) for row, legs in found.transactions], found))


def document(row: Transaction, legs: Sequence[Leg]) -> Document:
    return {
        "id": row.id,
        "connection_id": row.connection_id,
        "provider_id": row.provider_id,
        "ref": row.ref,
        "at": row.at,
        "category": row.category,
        "kind": row.kind,
        "tx_hash": row.tx_hash,
        "counterparty": row.counterparty,
        "network": row.network,
        "description": row.description,
        "value": worth(row.value_currency, row.value_amount),
        "rule": row.rule,
        "rule_version": row.rule_version,
        "confidence": row.confidence,
        "legs": [_leg(leg) for leg in legs],
    }


def _leg(leg: Leg) -> Document:
    return {
        "account": leg.account,
        "asset": leg.asset,
        "amount": plain(leg.amount),
        "role": leg.role,
        "fee_type": leg.fee_type,
        "outside": leg.outside,
        "value": worth(leg.value_currency, leg.value_amount),
    }


DESCRIPTION = Description(
    paths={
        "/api/v1/transactions": {
            "get": operation(
                "listTransactions",
                "List the history of linked accounts, newest first",
                tag="transactions",
                scope=READ,
                answers={200: ("A page of transactions", "TransactionPage")},
                fails=(400, 404),
                parameters=(*QUERY, query("kinds", TEXT, "Comma-separated kinds")),
            )
        }
    },
    schemas={
        **SCHEMAS,
        "Leg": record(
            account=TEXT,
            asset=TEXT,
            amount=DECIMAL,
            role={"enum": ["principal", "fee", "reward"]},
            fee_type=TEXT_OR_NULL,
            outside={"type": "boolean"},
            value=WORTH_OR_NULL,
        ),
        "Transaction": record(
            id=TEXT,
            connection_id=TEXT,
            provider_id=TEXT,
            ref=TEXT,
            at=TIME,
            category={"enum": [*dict.fromkeys(KINDS.values())]},
            kind={"enum": [*KINDS]},
            tx_hash=TEXT_OR_NULL,
            counterparty=TEXT_OR_NULL,
            network=TEXT_OR_NULL,
            description=TEXT_OR_NULL,
            value=WORTH_OR_NULL,
            rule=TEXT,
            rule_version={"type": "integer"},
            confidence={"enum": ["certain", "likely", "unknown"]},
            legs=many("Leg"),
        ),
        "TransactionPage": page_with_problems("Transaction"),
    },
)
