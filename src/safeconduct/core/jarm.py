"""JWT Secured Authorization Response Mode (JARM) §2: the response as one signed parameter."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from safeconduct.core.authorize import Answer

LIFETIME = 10 * 60  # seconds; §2.1: "A maximum JWT lifetime of 10 minutes is RECOMMENDED"


def claims_of(answer: Answer, issuer: str, now: int) -> Mapping[str, Any]:
    """§2.1: issuer, audience and end, and every parameter of the response beside them."""
    return {
        **answer.sent,
        "iss": issuer,
        "aud": answer.target.client_id,
        "exp": now // 1000 + LIFETIME,
    }


def secured(answer: Answer, jwt: str) -> Answer:
    """§2.3: `response` takes the place of all parameters."""
    return replace(answer, parameters={"response": jwt}, error=None)
