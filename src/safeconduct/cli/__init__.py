"""The command line. Each noun has a module of its own, imported only when it is used.

`--help` has to answer at once, so nothing is imported here that a command needs to run.
"""

import sys

from cyclopts import App, CycloptsError, Group

EPILOGUE = """\
Settings are flags, SAFECONDUCT_… variables, or keys of a TOML file (--config FILE).
Every command answers --help with examples, and --json with one JSON document."""

app = App(
    name="safeconduct",
    help="The self-hosted OAuth platform that works in both directions.",
    help_format="plaintext",
    help_epilogue=EPILOGUE,
    group_commands=Group("Options", sort_key=9),
    version_flags=["--version"],
)

COMMANDS = {
    "Run": {
        "serve": ("serve:app", "Serve, making the database and the keys at the first start."),
        "demo": ("demo:app", "Server, provider, app and mail catcher; everything to try it."),
        "simulate": ("simulate:app", "Be the providers of the catalogue, with a ledger."),
        "migrate": ("migrate:app", "Bring the database to this version's schema."),
        "backup": ("backup:app", "Copy a SQLite database while it is in use."),
        "doctor": ("doctor:app", "Check settings, database, keys, mail and the way out."),
        "events": ("events:app", "The log of what happened, and whether it is whole."),
        "explain": ("explain:app", "Say what happened, and which rule decided it."),
    },
    "Manage": {
        "tenants": ("tenants:app", "Tenants, each with an issuer of its own."),
        "clients": ("clients:app", "Third-party apps and their secrets."),
        "registration": ("registration:app", "Who may register apps beside you."),
        "issuers": ("issuers:app", "Other issuers whose JWTs are taken."),
        "resources": ("resources:app", "APIs that access tokens are for."),
        "users": ("users:app", "People who sign in."),
        "ciba": ("ciba:app", "What apps ask of people who are elsewhere."),
        "accounts": ("accounts:app", "Brokerage-style accounts of users."),
        "broker-keys": ("accounts:broker_keys", "Keys by which a broker lets apps in."),
        "tokens": ("tokens:app", "Access tokens, issued by the operator."),
        "api-keys": ("tokens:api_keys", "Keys for the platform API."),
        "catalog": ("catalog:app", "What is known about providers, and where it comes from."),
        "providers": ("providers:app", "Where users have accounts, and our registration there."),
        "connections": ("connections:app", "Accounts that users have linked."),
        "members": ("members:app", "Who belongs to the organisation and its teams."),
        "teams": ("members:teams", "Teams of the organisation."),
        "webhooks": ("webhooks:app", "Who is told of what happens."),
        "keys": ("keys:app", "Signing keys."),
        "vault": ("vault:app", "Sealed credentials and the root key."),
    },
}

for place, (heading, commands) in enumerate(COMMANDS.items()):
    group = Group(heading, sort_key=place)
    for name, (path, help) in commands.items():
        app.command(f"safeconduct.cli.{path}", name=name, help=help, group=group)


def main() -> None:
    """Entry point of `safeconduct`. A sentence and status 2 for what was asked wrongly."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except BrokenPipeError:
        # The reader (`| head`) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        status, sentences = _told(error)
        if not sentences:
            raise
        for sentence in sentences:
            sys.stderr.write(f"Error: {sentence}\n")
        sys.exit(status)


def _told(error: Exception) -> tuple[int, tuple[str, ...]]:
    """Exit status and sentences for an error that is the caller's to mend; none for a defect."""
    from safeconduct.cli.show import Failed
    from safeconduct.settings import SettingsError

    match error:
        case CycloptsError():
            return 2, (" ".join(str(error).split()) + " See --help.",)
        case SettingsError():
            return 2, error.problems
        case Failed():
            return 1, error.sentences
    return 1, ()
