"""schemathesis against a running server: what a contract allows is asked, and what it does not.

A program of its own, as others would run it. What it reports is a failure, and its last words are
the message.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.contracts.contract import Contract

PHASES = "examples,coverage,fuzzing,stateful"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
    "use_after_free",
)
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "3"))
"""Cases for each operation and phase; `make contracts` asks for more."""


async def fuzz(
    contract: Contract,
    url: str,
    headers: Mapping[str, str],
    *,
    exclude: Sequence[str] = (),
    unchecked: Sequence[str] = (),
    examples: int = EXAMPLES,
    phases: str = PHASES,
) -> None:
    """`exclude` are operations by id that need what no generator has; `unchecked` are checks that
    do not hold for this contract, each with a reason beside the call.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{contract.name}.json"
        path.write_text(json.dumps(contract.served()))
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", str(path), "--url", url),
            *("--phases", phases, "--max-examples", str(examples), "--seed", "1"),
            *("--checks", ",".join(check for check in CHECKS if check not in unchecked)),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color"),
            *("--generation-database", "none", "--no-shrink", "--continue-on-failure"),
        ]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        for operation in exclude:
            command += ["--exclude-operation-id", operation]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode(errors="replace")[-12_000:]
