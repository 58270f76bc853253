"""A contract as the judge of answers: every body must be what the operation promises.

`Contract("calico-v2")` reads the file of that name beside this one. Whatever it checks is noted in
`SEEN`, so that a test's claim to prove a status (`@pytest.mark.proves`) can be held to it.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent
METHODS = ("get", "post", "put", "patch", "delete")

ANYWHERE = (403, 405, 413, 415, 429, 503)
"""Allowed of every operation, in the surface's own error body (403: a token without the scope)."""

ERRORS = {
    "calico-v1": "CalicoErrorResponse",
    "calico-v2": "CalicoErrorResponse",
    "alpaca-broker-oauth": "AlpacaError",
    "calcom-platform": "CalError",
    "loop-connections": "Error",
}
"""The surface's own error body, by contract."""

OAUTH_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
"""RFC 6749 §5.2, where a token endpoint is shared by several surfaces."""

Proof = tuple[str, str, int]  # contract, operationId, status

SEEN: set[Proof] = set()


@dataclass(frozen=True)
class Operation:
    """`url` is where it is served here: a path with `servers` of its own is at the origin's root,
    all others are below the path of the contract's server.
    """

    id: str
    method: str
    path: str
    url: str
    document: Mapping[str, Any]

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in self.document["responses"]]


class Contract:
    error_schema: str | None = None  # of a contract that is not in the table

    def __init__(self, name: str, folder: Path = FOLDER) -> None:
        self.name = name
        self.document: Mapping[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text())
        self.prefix = urlsplit(self.document["servers"][0]["url"]).path.rstrip("/")

    @property
    def error(self) -> Mapping[str, Any]:
        own = self.error_schema or ERRORS.get(self.name)
        return {"$ref": f"#/components/schemas/{own}"} if own else OAUTH_ERROR

    def operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield Operation(
                        item[method]["operationId"],
                        method.upper(),
                        path,
                        path if "servers" in item else self.prefix + path,
                        item[method],
                    )

    def operation(self, method: str, path: str) -> Any:
        return self.document["paths"][path][method.lower()]

    def named(self, operation_id: str) -> Operation:
        return next(one for one in self.operations() if one.id == operation_id)

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """The status is one that the operation names, and the body has its schema."""
        operation = self.operation(method, path)
        responses = operation["responses"]
        if str(status) in responses:
            response = self._resolved(responses[str(status)])
            if "content" in response:
                (content,) = response["content"].values()
                self.valid(content.get("schema", {}), body)
            else:
                assert body in (None, "", b""), f"{method} {path} {status} has a body: {body!r}"
        else:
            assert status in ANYWHERE, f"{method} {path} does not name {status}: {body}"
            self.valid(self.error, body)
        SEEN.add((self.name, operation["operationId"], status))

    def valid(self, schema: Mapping[str, Any], body: Any) -> None:
        # With the whole document around it, so that its references resolve.
        Draft202012Validator({**self.document, **schema}).validate(body)

    def is_a(self, name: str, body: Any) -> None:
        """The body is one of the contract's named schemas."""
        self.valid({"$ref": f"#/components/schemas/{name}"}, body)

    def examples(self, method: str, path: str) -> dict[str, Any]:
        """The request bodies that the contract shows, by name."""
        content = next(iter(self.operation(method, path)["requestBody"]["content"].values()))
        return {name: one["value"] for name, one in content.get("examples", {}).items()}

    def example(self, method: str, path: str, status: int, name: str) -> Any:
        response = self._resolved(self.operation(method, path)["responses"][str(status)])
        return response["content"]["application/json"]["examples"][name]["value"]

    def shown(self) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
        """Every example that the contract has, with the schema it stands under."""
        for operation in self.operations():
            bodies = {"request": operation.document.get("requestBody", {})}
            for status, response in operation.document["responses"].items():
                bodies[status] = self._resolved(response)
            for where, body in bodies.items():
                for content in self._resolved(body).get("content", {}).values():
                    for name, one in content.get("examples", {}).items():
                        yield f"{operation.id} {where} {name}", content["schema"], one["value"]

    def properties(self, schema: str) -> set[str]:
        """All property names that a schema knows, through allOf and references."""
        return self._properties(self.document["components"]["schemas"][schema])

    def served(self) -> dict[str, Any]:
        """The document as this server keeps it: on one origin, with what is allowed anywhere."""
        document = deepcopy(dict(self.document))
        document["servers"] = [{"url": "/"}]
        document["paths"] = {}
        for operation in self.operations():
            kept = deepcopy(dict(operation.document))
            for status in ANYWHERE:
                schema = {"anyOf": [dict(self.error), OAUTH_ERROR]}
                kept["responses"].setdefault(
                    str(status),
                    {
                        "description": "allowed anywhere",
                        "content": {"application/json": {"schema": schema}},
                    },
                )
            shared = self.document["paths"][operation.path].get("parameters")
            item = document["paths"].setdefault(operation.url, {})
            if shared:
                item["parameters"] = deepcopy(shared)
            item[operation.method.lower()] = kept
        return document

    def _properties(self, schema: Any) -> set[str]:
        schema = self._resolved(schema)
        found = set(schema.get("properties", ()))
        for part in schema.get("allOf", ()):
            found |= self._properties(part)
        return found

    def _resolved(self, node: Any) -> Any:
        while "$ref" in node:
            here: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                here = here[part]
            node = here
        return node
