"""ccxt in a process of its own: it signs, reads and understands, and never reaches the network.

    stdin   {"id", "call": {base_url, hosts, fields, settings, operation, cursor, since}}
            {"id", "answer": {status, headers, body}}          what an HTTP request came to
    stdout  {"id", "http": {method, url, headers, body}}       the request that it would send
            {"id", "done": {status, body}}

The parent sends what the worker asks for, through its egress guard and only below `base_url` or
at `hosts`. The
worker has no socket, no database and no environment; it ends when its standard input does.
"""

import json
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from queue import Queue
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import ccxt
from ccxt.base import errors
from ccxt.base.exchange import HTTPError

from safeconduct.core.upstream.exchange_entries import entries_of, holdings_of, ledger_of
from safeconduct.core.upstream.pointer import Pointer

THREADS = 8
DAY_MS = 86_400_000
LOOKBACK_DAYS = 365
SEEN = 200
MARKETS_S = 3_600.0
FIELDS = {
    "api_key": "apiKey",
    "secret_key": "secret",
    "passphrase": "password",
    "uid": "uid",
    "login": "login",
    "account_id": "accountId",
    "wallet_address": "walletAddress",
    "private_key": "privateKey",
}
"""What is typed in, by ccxt's names for it."""
NAMING = ("api_key", "wallet_address", "account_id", "uid", "secret_key", "private_key")
"""By which of the fields an account is known where the exchange has no name for it."""
FINE = 10**11  # a number above is milliseconds or finer, below it is seconds
KNOWN = (
    *("markets", "markets_by_id", "symbols", "ids", "currencies", "currencies_by_id", "codes"),
    *("baseCurrencies", "quoteCurrencies"),
)

STATUS: tuple[tuple[type[Exception], int], ...] = (
    (errors.PermissionDenied, 403),
    (errors.AccountNotEnabled, 403),
    (errors.AuthenticationError, 401),
    (errors.RateLimitExceeded, 429),
    (errors.DDoSProtection, 429),
    (errors.NetworkError, 503),
    (errors.InvalidNonce, 503),
    (errors.BaseError, 502),
)
"""What a failure of ccxt's is as a status; the first that fits."""
REFUSED = (401, 403)


class Pipe:
    """Both ends of the conversation; lines are whole whoever writes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.answers: dict[int, Queue[dict[str, Any]]] = {}

    def say(self, document: Mapping[str, Any]) -> None:
        line = json.dumps(document)
        with self._lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def ask(self, id: int, http: Mapping[str, Any]) -> dict[str, Any]:
        self.say({"id": id, "http": http})
        return self.answers[id].get()


class Reply:
    """What ccxt takes for a response of `requests`."""

    encoding = "utf-8"

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.status_code = int(answer["status"])
        self.reason = str(answer.get("reason", ""))
        self.headers = dict(answer.get("headers", {}))
        self.text = str(answer.get("body", ""))

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise HTTPError(f"{self.status_code} {self.reason}")


class Relay:
    """What ccxt takes for a session of `requests`: hands every request to the parent."""

    def __init__(self, pipe: Pipe, id: int) -> None:
        self.pipe, self.id = pipe, id
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.retry_after: str | None = None
        self.asked, self.status = 0, 0

    def request(
        self, method: str, url: str, *, data: Any = None, headers: Any = None, **_: Any
    ) -> Reply:
        body = data.decode() if isinstance(data, bytes) else data
        http = {"method": method, "url": url, "headers": dict(headers or {}), "body": body}
        self.asked += 1
        answer = self.pipe.ask(self.id, http)
        if "failed" in answer:
            raise errors.NetworkError(str(answer["failed"]))
        reply = Reply(answer)
        self.retry_after, self.status = reply.headers.get("retry-after"), reply.status_code
        return reply

    def close(self) -> None: ...


class Markets:
    """What is public about an exchange, kept for a while and shared by all accounts."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    def give(self, exchange: Any, call: Mapping[str, Any], relay: "Relay") -> None:
        """Asked without anybody's keys, for it is given to everybody."""
        place = (exchange.id, call["base_url"])
        with self._lock:
            found = self._kept.get(place)
        if found is None or time.monotonic() - found[0] > MARKETS_S:
            anybody = exchange_of({**call, "fields": {}}, relay)
            anybody.load_markets()
            found = (time.monotonic(), {name: getattr(anybody, name, None) for name in KNOWN})
            with self._lock:
                self._kept[place] = found
        for name, value in found[1].items():
            setattr(exchange, name, value)


class Nonces:
    """An exchange's own numbers, made to rise: many refuse one that they have seen.

    Those that count seconds are moments and no counters, and may come twice.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: dict[str, int] = {}

    def of(self, exchange: Any) -> Callable[[], int]:
        own = exchange.nonce

        def rising() -> int:
            number = int(own())
            if number < FINE:
                return number
            with self._lock:
                self._last[exchange.id] = max(self._last.get(exchange.id, 0) + 1, number)
                return self._last[exchange.id]

        return rising


MARKETS, NONCES = Markets(), Nonces()


def carry_out(pipe: Pipe, id: int, call: Mapping[str, Any]) -> None:
    relay, before = Relay(pipe, id), -1
    try:
        exchange = exchange_of(call, relay)
        MARKETS.give(exchange, call, relay)
        operation, before = OPERATIONS[call["operation"]], relay.asked
        done = {"status": 200, "body": operation(exchange, call)}
    except errors.BaseError as error:
        status = _status(error, call["settings"].get("refusals", ()), relay.status)
        done = {"status": status, "body": {"error": type(error).__name__}}
    except Exception as error:  # noqa: BLE001 -- whatever a hundred classes think of an answer
        # What an exchange sent is not what ccxt expects of it; or keys are none that can sign
        signed = relay.asked != before
        status = relay.status if relay.status in REFUSED else 502 if signed else 401
        done = {"status": status, "body": {"error": type(error).__name__}}
    pipe.say({"id": id, "done": {**done, "retry_after": relay.retry_after}})
    pipe.answers.pop(id, None)


def exchange_of(call: Mapping[str, Any], relay: Relay) -> Any:
    """The exchange with its keys, every address of it below the base URL or at a known host."""
    settings = call["settings"]
    made = getattr(ccxt, settings["exchange"])(
        {
            **{FIELDS[name]: value for name, value in call["fields"].items()},
            "enableRateLimit": False,  # the parent keeps the pace
            "options": settings.get("options", {}),
        }
    )
    made.number, made.session, made.nonce = str, relay, NONCES.of(made)
    base, hosts = call["base_url"].rstrip("/"), frozenset(call["hosts"])
    made.urls["api"] = _placed(made.implode_hostname, made.urls["api"], base, hosts)
    made.proxies, made.trust_env = None, False
    return made


def account(exchange: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    """Whose keys these are, as the exchange says; where it does not, the key itself names them."""
    settings, fields = call["settings"], call["fields"]
    who = settings.get("account")
    if who is None:
        exchange.fetch_balance()
        found = None
    else:
        answer = getattr(exchange, who["call"])(who.get("parameters", {}))
        found = Pointer(who["id"]).of(answer)
    key = next(fields[name] for name in NAMING if name in fields)
    named = f"{exchange.id}:{key}".encode()
    return {"id": str(found) if found else f"key_{sha256(named).hexdigest()[:32]}"}


def balances(exchange: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    items = []
    for parameters in call["settings"].get("balances", [{}]):
        account = str(parameters.get("type", "spot"))
        items += holdings_of(exchange.fetch_balance(dict(parameters)), account)
    return {"items": items}


def entries(exchange: Any, call: Mapping[str, Any]) -> dict[str, Any]:
    """One page of the account's history, and where to go on."""
    streams = call["settings"]["entries"]
    now = exchange.milliseconds()
    start = max(int(call.get("since") or 0), now - LOOKBACK_DAYS * DAY_MS)
    place = read_place(call.get("cursor")) or {"i": 0, "at": start, "n": 0, "k": 0, "seen": []}
    stream = streams[place["i"]]
    symbols = _symbols(exchange, place["seen"]) if stream.get("each") == "symbol" else [None]
    found: list[Any] = []
    if symbols:
        found = _page(exchange, stream, place, symbols[place["k"]], now)
    told = "fetch_ledger" if "own" in stream else stream["call"]
    items = [entry for item in found for entry in entries_of(told, item)]
    seen = {*place["seen"], *(str(entry["asset"]) for entry in items)}
    onward = _onward(stream, place, found, len(symbols), len(streams), start, now)
    if onward is not None:
        onward["seen"] = sorted(seen)[:SEEN]
    return {"items": items, "next": None if onward is None else write_place(onward)}


def _page(
    exchange: Any, stream: Mapping[str, Any], place: Mapping[str, Any], symbol: Any, now: int
) -> list[Any]:
    parameters = dict(stream.get("parameters", {}))
    if "offset" in stream:
        parameters[stream["offset"]] = place["n"]
    if "number" in stream:
        parameters[stream["number"]] = place["n"] + 1
    if "window_days" in stream:
        end = min(place["at"] + stream["window_days"] * DAY_MS, now)
        parameters["until"] = min(end, place.get("to", end))
    size = stream.get("size") if stream.get("limit", True) else None
    if "own" in stream:
        return _own(exchange, stream["call"], stream["own"], place["at"], size, parameters)
    return list(getattr(exchange, stream["call"])(symbol, place["at"], size, parameters))


def _own(
    exchange: Any,
    call: str,
    own: Mapping[str, Any],
    since: int,
    size: int | None,
    parameters: dict[str, Any],
) -> list[dict[str, Any]]:
    """A list that only this exchange has, as a ledger: by its own parameters and fields."""
    asked = {"since": since, "until": parameters.pop("until", None), "size": size}
    named = {own[name]: value for name, value in asked.items() if name in own and value is not None}
    answer = getattr(exchange, call)({**parameters, **named})
    return ledger_of(own, answer, exchange.safe_currency_code)


def _onward(
    stream: Mapping[str, Any],
    place: Mapping[str, Any],
    found: list[Any],
    symbols: int,
    streams: int,
    start: int,
    now: int,
) -> dict[str, Any] | None:
    """The place behind this page: further in it, in the next window, symbol, or stream.

    Where nobody says how much a page holds, there may be more behind each that brought something
    newer than the one before.
    """
    times = [int(item["timestamp"] or 0) for item in found]
    last = max(times, default=0)
    known = "size" in stream
    full = len(found) >= stream["size"] if known else last > place["at"]
    if full and stream.get("newest_first"):
        # Downwards, to the same moment; unless the whole page was that
        to = min(times) if min(times) < last else last - 1
        if to >= place["at"]:
            return {**place, "to": to}
        full = False
    place = {name: value for name, value in place.items() if name != "to"}
    if full and "offset" in stream:
        return {**place, "n": place["n"] + len(found)}
    if full and "number" in stream:
        return {**place, "n": place["n"] + 1}
    if full:
        # The same moment again, for what else happened in it; unless the whole page was that
        return {**place, "at": last if last > place["at"] else last + 1}
    if "window_days" in stream:
        end = place["at"] + stream["window_days"] * DAY_MS
        if end < now:
            return {**place, "at": end, "n": 0}
    if place["k"] + 1 < symbols:
        return {**place, "k": place["k"] + 1, "at": start, "n": 0}
    if place["i"] + 1 < streams:
        return {**place, "i": place["i"] + 1, "k": 0, "at": start, "n": 0}
    return None


def _symbols(exchange: Any, seen: list[str]) -> list[str]:
    """Markets between assets that this account holds or has moved: some exchanges tell trades of
    one market only, and asking for each there is would take hours.
    """
    held = {one["asset"] for one in holdings_of(exchange.fetch_balance(), "spot")}
    known = held | set(seen)
    return sorted(
        symbol
        for symbol, market in exchange.markets.items()
        if market.get("spot") and market["base"] in known and ":" not in symbol
    )


def read_place(cursor: str | None) -> dict[str, Any] | None:
    if not cursor:
        return None
    place: dict[str, Any] = json.loads(urlsafe_b64decode(cursor.encode()))
    return place


def write_place(place: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode()


def _placed(spelled: Callable[[str], str], urls: Any, base: str, hosts: frozenset[str]) -> Any:
    """Every address of an exchange: at a host that its entry names, else as a path below the
    base URL. `spelled` fills in the host name that ccxt keeps apart.
    """
    if isinstance(urls, Mapping):
        return {name: _placed(spelled, value, base, hosts) for name, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    url = urlsplit(spelled(urls))
    return url.geturl() if f"https://{url.netloc}" in hosts else base + url.path


def _status(error: Exception, refusals: Iterable[str], answered: int) -> int:
    """`refusals`: an exchange's words for wrong keys, where ccxt has no class for them; nor has it
    for each answer whose status says as much.
    """
    if any(words in str(error) for words in refusals):
        return 401
    status = next(status for kind, status in STATUS if isinstance(error, kind))
    return answered if status == 502 and answered in REFUSED else status


OPERATIONS: Mapping[str, Callable[[Any, Mapping[str, Any]], dict[str, Any]]] = {
    "/account": account,
    "/balances": balances,
    "/entries": entries,
}


def main() -> None:
    pipe = Pipe()
    with ThreadPoolExecutor(THREADS) as pool:
        for line in sys.stdin:
            message = json.loads(line)
            if "call" in message:
                pipe.answers[message["id"]] = Queue()
                pool.submit(carry_out, pipe, message["id"], message["call"])
            elif message["id"] in pipe.answers:
                pipe.answers[message["id"]].put(message["answer"])


if __name__ == "__main__":
    main()
