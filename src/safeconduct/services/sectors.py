"""OpenID Connect Registration §5: whoever claims a sector must be listed by it."""

from collections.abc import Sequence

from safeconduct.core.errors import ApiError, ProviderError
from safeconduct.core.jws import json_value
from safeconduct.core.pairwise import sector_trouble
from safeconduct.ports.outbound import Outbound, OutboundRequest

MAX_BYTES = 64 << 10
TIMEOUT_S = 5.0


class Sectors:
    def __init__(self, outbound: Outbound) -> None:
        self.outbound = outbound

    async def check(self, uri: str, redirect_uris: Sequence[str]) -> None:
        """Fetch the list behind the egress guard; `ApiError` 400 if these URIs are not on it."""
        request = OutboundRequest(
            method="GET",
            url=uri,
            headers={"accept": "application/json"},
            timeout_s=TIMEOUT_S,
            max_bytes=MAX_BYTES,
        )
        try:
            answer = await self.outbound.send(request)
            why = (
                sector_trouble(json_value(answer.body), redirect_uris)
                if answer.status == 200
                else "does not answer with a list"
            )
        except (ProviderError, ValueError):
            why = "cannot be read"
        if why is not None:
            raise ApiError(
                400,
                "invalid_client_metadata",
                f"sector_identifier_uri {why}.",
                field="sector_identifier_uri",
            )
