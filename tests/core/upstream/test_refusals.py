"""Real refusals of real providers, judged as the engine judges them.

`error_bodies/` holds what was seen, one file a provider: the body, its label (`means`), the status
where the source tells it, and the source. The rules of `refusals` were written from the providers
of one part; those whose name hashes to an odd byte are held out, and what comes of them is the
score. (One rule does come from there: that an unsupported grant type is our mistake.)
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.core.upstream.entries import entry

from safeconduct.core.errors import ProviderError
from safeconduct.core.upstream import refusals
from safeconduct.core.upstream.answers import read_token_response
from safeconduct.core.upstream.provider import Provider, read_provider

NOW = 1_800_000_000_000
BODIES = Path(__file__).parent / "error_bodies"
CATALOG = Path(refusals.__file__).parents[2] / "catalog"
REMEDIES = {"reconnect": "invalid_grant", "misconfigured": "invalid_client"}

CASES: dict[str, list[dict[str, Any]]] = {
    path.stem: yaml.load(path.read_text(), yaml.CSafeLoader)
    for path in sorted(BODIES.glob("*.yaml"))
}


def held_out(provider: str) -> bool:
    return hashlib.sha256(provider.encode()).digest()[0] % 2 == 1


def of_catalog(provider: str) -> Provider:
    """How we speak to that provider, where we do."""
    path = CATALOG / f"{provider}.yaml"
    if not path.exists():
        return entry()
    known = read_provider(yaml.load(path.read_text(), yaml.CSafeLoader))
    return known if known.dialect is not None else entry()


PROVIDERS = {name: of_catalog(name) for name in CASES}


def judged(provider: Provider, status: int, body: bytes, kind: str = "application/json") -> str:
    with pytest.raises(ProviderError) as caught:
        read_token_response(provider, status, {"content-type": kind}, body, NOW)
    return REMEDIES.get(caught.value.remedy, "retry")


def parsed(body: str) -> Any:
    """None for what is not JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


def results(part: bool) -> list[tuple[str, str, str, str]]:
    """Provider, label, what we say, and the body, of one part."""
    return [
        (name, case["means"], judged(PROVIDERS[name], case.get("status", 400), body), case["body"])
        for name, cases in CASES.items()
        if held_out(name) is part
        for case in cases
        for body in [case["body"].encode()]
    ]


def table(seen: list[tuple[str, str, str, str]]) -> str:
    wrong = [
        f"{name}: {label} read as {said}: {body}"
        for name, label, said, body in seen
        if label != said
    ]
    counts = Counter((label, said) for _, label, said, _ in seen)
    rows = [f"{label:>14} as {said:<14} {n:4}" for (label, said), n in sorted(counts.items())]
    return "\n".join([*rows, *wrong])


def test_the_corpus_is_wide_and_every_body_has_its_source() -> None:
    cases = [case for of_one in CASES.values() for case in of_one]
    assert len(cases) >= 150
    assert len(CASES) >= 50
    labels = Counter(case["means"] for case in cases)
    assert set(labels) == {"invalid_grant", "invalid_client", "retry"}
    assert labels["invalid_grant"] < len(cases) * 2 / 3
    for case in cases:
        sources = case["source"] if isinstance(case["source"], list) else [case["source"]]
        assert all(source.startswith("https://") for source in sources)
    assert sum(map(held_out, CASES)) >= 0.4 * len(CASES)


@pytest.mark.invariant("V6")
@pytest.mark.parametrize("part", [False, True], ids=["written_from", "held_out"])
def test_refusals_are_read_rightly(part: bool) -> None:
    seen = results(part)
    right = sum(label == said for _, label, said, _ in seen)
    assert right >= 0.95 * len(seen), f"{right} of {len(seen)}\n{table(seen)}"


@pytest.mark.invariant("V6")
def test_nothing_that_may_pass_is_read_as_a_revocation() -> None:
    seen = [*results(False), *results(True)]
    assert not [one for one in seen if one[1] == "retry" and one[2] == "invalid_grant"]


def changed(change: Callable[[str], str]) -> Callable[[Any], Any]:
    """The document with every text in it changed."""

    def walk(here: Any) -> Any:
        if isinstance(here, dict):
            return {key: walk(value) for key, value in here.items()}
        if isinstance(here, list):
            return [walk(value) for value in here]
        return change(here) if isinstance(here, str) else here

    return walk


DISGUISES: dict[str, Callable[[Any], Any]] = {
    "in capitals": changed(str.upper),
    "with spaces around": changed(lambda text: f"  {text} "),
    "as an error": lambda document: {"error": document},
    "in a list": lambda document: {"errors": [document]},
    "with more beside it": lambda document: {
        "request_id": "6f1c-77",
        "timestamp": 1_800_000_000,
        "path": "/token",
        "original": document,
    },
}


@pytest.mark.invariant("V6")
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_refusal_means_the_same_in_another_dress(disguise: str) -> None:
    """And where its dress hides it, it is tried again."""
    same = seen = 0
    for name, cases in CASES.items():
        for case in cases:
            document = parsed(case["body"])
            if document is None:
                continue
            plain = judged(PROVIDERS[name], case.get("status", 400), case["body"].encode())
            body = json.dumps(DISGUISES[disguise](document)).encode()
            said = judged(PROVIDERS[name], case.get("status", 400), body, "text/plain")
            assert said in (plain, "retry"), (name, case["body"])
            seen += 1
            same += said == plain
    assert same >= 0.95 * seen


@pytest.mark.invariant("V6")
@pytest.mark.parametrize("status", [401, 403, 422])
def test_the_status_of_a_refusal_makes_no_difference_among_refusals(status: int) -> None:
    for name, cases in CASES.items():
        for case in cases:
            if case.get("status", 400) < 429:
                body = b"\xef\xbb\xbf" + case["body"].encode() + b"\r\n \n"
                plain = judged(PROVIDERS[name], 400, case["body"].encode())
                assert judged(PROVIDERS[name], status, body) == plain, (name, case["body"])


TROUBLE: dict[str, Callable[[str], tuple[int, str]]] = {
    "cut off": lambda body: (400, body[: len(body) // 2]),
    "in a page": lambda body: (400, f"<html><body><p>{body}</p></body></html>"),
    "asked to wait": lambda body: (400, json.dumps({"a": body, "b": "Please try again later."})),
    "rate limit": lambda body: (403, json.dumps({"a": body, "code": "RATE_LIMIT_EXCEEDED"})),
    "maintenance": lambda body: (400, json.dumps([body, "We are down for maintenance"])),
}


@pytest.mark.invariant("V6")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_whoever_is_in_trouble_ends_nothing(trouble: str) -> None:
    for name, cases in CASES.items():
        for case in cases:
            status, body = TROUBLE[trouble](case["body"])
            assert judged(PROVIDERS[name], status, body.encode()) == "retry", (name, body)


@pytest.mark.invariant("V6")
@pytest.mark.parametrize("status", [302, 408, 425, 429, 500, 502, 503, 504, 529])
def test_a_status_of_trouble_ends_nothing_whatever_the_body_says(status: int) -> None:
    for name, cases in CASES.items():
        for case in cases:
            assert judged(PROVIDERS[name], status, case["body"].encode()) == "retry", name


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    "sentence",
    [
        "Unknown error while checking the refresh token",
        "Bad request: refresh token could not be checked",
        "The refresh token request is malformed",
        "Refresh token endpoint not found",
        "Client not found for refresh token",
        "The refresh_token parameter is missing",
        "The refresh token used in this request is missing its client",
        "The access token has expired, use the refresh token",
        "Your access_token was revoked or is invalid",
        "Refresh tokens are not supported, invalid grant type",
        "The refresh token is invalid. Please retry later.",
        "Too many requests with an invalid refresh token",
        "The session has expired",
    ],
)
def test_a_sentence_that_is_not_about_the_grant_ends_nothing(sentence: str) -> None:
    for body in ({"error": "invalid_request", "error_description": sentence}, [sentence]):
        assert judged(entry(), 400, json.dumps(body).encode()) == "retry"
    assert judged(entry(), 400, sentence.encode()) == "retry"


@pytest.mark.invariant("V6")
@pytest.mark.parametrize(
    "sentence",
    [
        "The refresh token has expired",
        "invalidRefreshToken",
        "REFRESH_TOKEN_EXPIRED",
        "This grant was revoked by the user",
        "Refresh token is no longer valid; sign in again.",
    ],
)
def test_a_sentence_that_says_that_the_grant_has_ended(sentence: str) -> None:
    assert judged(entry(), 400, json.dumps({"message": sentence}).encode()) == "invalid_grant"
    assert judged(entry(), 503, json.dumps({"message": sentence}).encode()) == "retry"
