"""A token of our own: SoftHSM with its objects in a folder of the test's."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = next(
    str(path)
    for path in (
        *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
        *Path("/usr/lib/softhsm").glob("libsofthsm2.so"),
    )
)
PIN = "481516"


@contextmanager
def token(folder: Path, label: str = "safeconduct") -> Iterator[str]:
    """An initialised token; the URI of its key `root`, which is not there yet."""
    (folder / "tokens").mkdir(parents=True)
    conf, pin = folder / "softhsm2.conf", folder / "pin"
    conf.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    pin.write_text(PIN + "\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(conf)
    try:
        subprocess.run(
            [
                *("softhsm2-util", "--init-token", "--free", "--label", label),
                *("--pin", PIN, "--so-pin", PIN),
            ],
            check=True,
            capture_output=True,
        )
        yield f"pkcs11:token={label};object=root?module-path={MODULE}&pin-source=file:{pin}"
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
