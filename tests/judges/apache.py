"""Apache on a loopback port, with as few modules and as little configuration as a test needs."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

MODULES = Path("/usr/lib/apache2/modules")
COMMON = "mpm_event authn_core authz_core authz_user headers"


@asynccontextmanager
async def apache(home: Path, port: int, modules: str, site: str) -> AsyncIterator[str]:
    """Serve `home/www` until the block ends; its origin."""
    www = home / "www"
    for folder in ("app", "api"):
        (www / folder).mkdir(parents=True)
        (www / folder / "index.html").write_text(f"this is {folder}")
    names = [*COMMON.split(), "dir", *modules.split()]
    loads = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names)
    config = home / "apache.conf"
    config.write_text(f"""
ServerRoot {home}
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {home}/pid
DefaultRuntimeDir {home}
ErrorLog {home}/error.log
LogLevel warn
{loads}
User www-data
Group www-data
DocumentRoot {www}
DirectoryIndex index.html
{site}
""")
    for folder in (home, *home.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)  # its workers have a user of their own
    command = ["/usr/sbin/apache2", "-f", str(config), "-DFOREGROUND"]
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.STDOUT)
    origin = f"http://127.0.0.1:{port}"
    try:
        await _ready(origin, process, home)
        yield origin
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(origin: str, process: asyncio.subprocess.Process, home: Path) -> None:
    async with httpx.AsyncClient() as http:
        for _ in range(100):
            try:
                await http.get(origin + "/nothing")
                return
            except httpx.TransportError:
                assert process.returncode is None, (home / "error.log").read_text()
                await asyncio.sleep(0.1)
    raise AssertionError("Apache did not come up: " + (home / "error.log").read_text())
