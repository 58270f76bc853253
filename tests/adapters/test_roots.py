"""Root keys in a file, in a variable, and in a software token that does not give them away.

A PKCS#11 module reads its configuration once in a process, so what needs a token is one test for
each process of its own.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters.softhsm import PIN, token

from safeconduct.adapters.keyring import RootKeyring
from safeconduct.adapters.roots import LocalRoot, RootKeyError, root_of
from safeconduct.core.model import TenantId
from safeconduct.ports.keyring import Sealed, Unsealable

KEY, OTHER = bytes(range(7, 39)), bytes(range(70, 102))
T1, T2 = TenantId("t1"), TenantId("t2")

IN_A_TOKEN = """
import sys
import pkcs11
from safeconduct.adapters.roots import LocalRoot, RootKeyError, TokenRoot, root_of
from safeconduct.ports.keyring import Sealed, Unsealable

uri = sys.argv[1]

def refused(kind, act, *args, **more):
    try:
        act(*args, **more)
    except kind as error:
        assert {pin!r} not in str(error), error
        return str(error)
    raise AssertionError(f"{{act}} did not refuse")

assert "no key 'root'" in refused(Sealed, root_of, uri)
root = root_of(uri, create=True)
again = root_of(uri, create=True)
assert isinstance(root, TokenRoot) and root.id == again.id and len(root.id) == 12
wrapped = root.wrap(b"a tenant's key", b"row")
assert again.unwrap(wrapped, b"row") == b"a tenant's key"
assert root.wrap(b"a tenant's key", b"row") != wrapped
assert b"a tenant's key" not in wrapped
for bad, aad in ((wrapped[:-1] + bytes([wrapped[-1] ^ 1]), b"row"), (wrapped, b"other row"),
                 (b"\\x02" + wrapped[1:], b"row"), (wrapped[:20], b"row"), (b"", b"row")):
    refused(Unsealable, root.unwrap, bad, aad)
assert root.unwrap(wrapped, b"row") == b"a tenant's key"  # the session has not suffered
other = root_of(uri.replace("object=root", "object=acme"), create=True)
assert other.id != root.id
refused(Unsealable, other.unwrap, wrapped, b"row")
# The key does not leave its token
(key,) = root._session.get_objects({{pkcs11.Attribute.LABEL: "root"}})
try:
    key[pkcs11.Attribute.VALUE]
except pkcs11.exceptions.AttributeSensitive:
    pass
else:
    raise AssertionError("the key can be read")
# Whoever destroys it makes unreadable what lies under it
key.destroy()
assert "no key 'root'" in refused(Sealed, root.unwrap, wrapped, b"row")
# And what is asked for wrongly is a sentence
refused(RootKeyError, root_of, "pkcs11:token=x")
refused((Sealed, RootKeyError), root_of, uri.replace("token=safeconduct", "token=none"))
refused(RootKeyError, root_of, uri.replace("pin-source=file:", "pin-source=file:/nowhere"))
refused(RootKeyError, root_of, uri.replace("module-path=", "module-path=/nowhere"))
print("held")
"""


def test_a_key_in_a_token_wraps_and_never_leaves(tmp_path: Path) -> None:
    with token(tmp_path) as uri:
        done = subprocess.run(
            [sys.executable, "-c", IN_A_TOKEN.format(pin=PIN), uri],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == "held\n", done.stderr


def test_a_key_in_a_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUR_ROOT", KEY.hex())
    root = root_of("env:OUR_ROOT")
    assert root.id == LocalRoot(KEY).id
    (tmp_path / "root.key").write_text(KEY.hex())
    assert root_of(tmp_path / "root.key").unwrap(root.wrap(b"x", b"a"), b"a") == b"x"
    for text in ("", "abc", "00" * 32, "zz" * 32):
        monkeypatch.setenv("OUR_ROOT", text)
        with pytest.raises(RootKeyError):
            root_of("env:OUR_ROOT")


@pytest.mark.attack("M4")
def test_a_tenant_may_hold_its_own_key() -> None:
    ring = RootKeyring([KEY], {T2: [LocalRoot(OTHER)]})
    assert ring.root_for(T1) == ring.root_id
    assert ring.root_for(T2) == LocalRoot(OTHER).id
    theirs = ring.wrap(b"x", b"a", ring.root_for(T2))
    assert ring.unwrap(theirs, b"a", ring.root_for(T2)) == b"x"
    without = RootKeyring([KEY])
    with pytest.raises(Sealed):
        without.unwrap(theirs, b"a", ring.root_for(T2))
    with pytest.raises(Unsealable):
        without.unwrap(theirs, b"a", without.root_id)
