"""The command line as a whole: it starts fast, complains in sentences, and explains itself."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App
from cyclopts.exceptions import CycloptsError

from safeconduct.cli import app

NOT_ANSWERING = {"serve", "simulate"}  # they run until stopped; --ready-file is their answer


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    for name, command in parent.resolved_commands().items():
        if name.startswith("-"):
            continue
        here = (*path, name)
        if command.default_command is not None:
            yield " ".join(here), command
        yield from commands(command, here)


COMMANDS = dict(commands(app))


def safeconduct(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safeconduct", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_imports_nothing_that_a_command_needs_to_run() -> None:
    heavy = ["apsw", "sqlalchemy", "starlette", "aiohttp", "cryptography", "asyncpg", "jinja2"]
    program = (
        "import sys; from safeconduct.cli import app; app(['--help'], exit_on_error=False, "
        "result_action='return_value'); "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "clients" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("clints", 'Did you mean "clients"?'),
        ("users create --emial ada@example.com", "--email"),
        ("users create --email a@example.com --role king", "king"),
        ("users", None),
        ("serve --port eighty", "eighty"),
        ("serve --workers 2", "PostgreSQL"),
        ("serve --issuer http://id.example", "Plain http"),
        ("doctor --config absent.toml", "Cannot read absent.toml"),
    ],
)
def test_what_is_asked_wrongly_gives_a_sentence_and_status_2(
    line: str, sentence: str | None
) -> None:
    done = safeconduct(*line.split())
    if sentence is None:
        assert done.returncode == 0
        assert "Usage" in done.stdout
        return
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_version_is_that_of_the_package() -> None:
    from importlib.metadata import version

    assert safeconduct("--version").stdout.strip() == version("safeconduct")


def test_python_m_and_the_script_are_the_same() -> None:
    script = subprocess.run(
        [str(Path(sys.executable).with_name("safeconduct")), "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert script.stdout == safeconduct("--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    command = COMMANDS[name]
    assert command.help.strip().endswith(".")
    assert f"safeconduct {name}" in (command.help_epilogue or ""), "its help has no example"
    examples = (command.help_epilogue or "").partition("Example")[2].replace("\\\n", "")
    for line in filter(None, examples.splitlines()[1:]):
        assert line.startswith(("  safeconduct ", "  git ")), f"{line!r} is no example"
    for argument in command.assemble_argument_collection():
        if argument.show:
            assert argument.parameter.help, f"{argument.name} has no help"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in NOT_ANSWERING])
def test_every_command_answers_in_json(name: str) -> None:
    names = {n for a in COMMANDS[name].assemble_argument_collection() for n in a.names}
    assert "--json" in names


def test_a_parse_error_is_known_to_be_one() -> None:
    with pytest.raises(CycloptsError):
        app(["users", "create"], exit_on_error=False, print_error=False)
