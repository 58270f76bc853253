"""A contract as the judge of answers: every body must be what the operation promises."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent


class Contract:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def operation(self, method: str, path: str) -> Any:
        return self.document["paths"][path][method.lower()]

    def judge(self, method: str, path: str, status: int, body: Any) -> None:
        """The status is one that the operation names, and the body has its schema."""
        responses = self.operation(method, path)["responses"]
        assert str(status) in responses, f"{method} {path} does not name {status}: {body}"
        response = self._resolved(responses[str(status)])
        schema = response["content"]["application/json"]["schema"]
        # With the whole document around it, so that its references resolve.
        Draft202012Validator({**self.document, **schema}).validate(body)

    def validate(self, schema: str, body: Any) -> None:
        ref = {"$ref": f"#/components/schemas/{schema}"}
        Draft202012Validator({**self.document, **ref}).validate(body)

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


@cache
def contract(name: str) -> Contract:
    return Contract(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))
