"""A contract as the judge of answers: every body must be what the operation promises."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent


class Contract:
    """`Contract("calico-v2")` reads the file of that name beside this one."""

    def __init__(self, name: str) -> None:
        self.document: Mapping[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())

    def operation(self, method: str, path: str) -> Any:
        return self.document["paths"][path][method.lower()]

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """The status is one that the operation names, and the body has its schema."""
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, f"{method} {path} does not name {status}: {body}"
        response = self._resolved(responses[str(status)])
        schema = response["content"]["application/json"]["schema"]
        self.valid(schema, body)

    def valid(self, schema: Mapping[str, Any], body: Any) -> None:
        # With the whole document around it, so that its references resolve.
        Draft202012Validator({**self.document, **schema}).validate(body)

    def is_a(self, name: str, body: Any) -> None:
        """The body is one of the contract's named schemas."""
        self.valid({"$ref": f"#/components/schemas/{name}"}, body)

    def examples(self, method: str, path: str) -> dict[str, Any]:
        """The request bodies that the contract shows, by name."""
        content = self.operation(method, path)["requestBody"]["content"]["application/json"]
        return {name: one["value"] for name, one in content["examples"].items()}

    def example(self, method: str, path: str, status: int, name: str) -> Any:
        response = self.operation(method, path)["responses"][str(status)]
        return response["content"]["application/json"]["examples"][name]["value"]

    def properties(self, schema: str) -> set[str]:
        """All property names that a schema knows, through allOf and references."""
        return self._properties(self.document["components"]["schemas"][schema])

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
