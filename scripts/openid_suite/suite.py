"""The suite's REST interface, as its own scripts use it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from openid_suite.plans import Plan

SAID = ("FAILURE", "WARNING")
"""What a line of a module's log may be worth telling about."""


@dataclass
class Outcome:
    """How a module ended, and which of its conditions had something to say."""

    module: str
    id: str
    result: str
    said: list[str] = field(default_factory=list)


class Suite:
    """One conformance suite."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        # The suite's certificate is its own; what it says decides nothing about ours
        self.http = httpx.Client(verify=False, timeout=60, headers=headers)

    def call(self, method: str, path: str, expected: int, **more: Any) -> Any:
        answer = self.http.request(method, f"{self.url}/api/{path}", **more)
        if answer.status_code != expected:
            raise SystemExit(
                f"The suite answered {answer.status_code} to {path}: {answer.text[:500]}"
            )
        return answer.json()

    def create(self, plan: Plan, config: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        params = {"planName": plan.name, "variant": json.dumps(plan.variant)}
        made = self.call("POST", "plan", 201, params=params, content=json.dumps(config))
        return made["id"], made["modules"]

    def run(
        self, plan_id: str, module: dict[str, Any], limit: float, ready: Callable[[str], None]
    ) -> Outcome:
        """One module, until it is finished or will never be.

        `ready` is told of a module that waits for something on our side before it starts.
        """
        name = module["testModule"]
        params = {"test": name, "plan": plan_id}
        if module.get("variant") is not None:
            params["variant"] = json.dumps(module["variant"])
        id = self.call("POST", "runner", 201, params=params)["id"]
        until = time.monotonic() + limit
        while time.monotonic() < until:
            info = self.call("GET", f"info/{id}", 200)
            if info["status"] == "CONFIGURED":
                ready(name)
                self.call("POST", f"runner/{id}", 200)
            if info["status"] in ("FINISHED", "INTERRUPTED"):
                return Outcome(name, id, info.get("result") or info["status"], self.said(id))
            time.sleep(0.3)
        return Outcome(name, id, "TIMEOUT", self.said(id))

    def said(self, id: str) -> list[str]:
        """The failures and warnings of a module's log, each with the clause that it cites."""
        log = self.call("GET", f"log/{id}", 200)
        return [
            " ".join((line["result"], line.get("src", ""), line.get("msg", "")))
            + "".join(f" [{clause}]" for clause in line.get("requirements", ()))
            for line in log
            if line.get("result") in SAID
        ]
