"""What simulated users have made for programs: passwords, keys, clients of their own, key files.

{base}/_sim/keys          what a user types in: `?provider=&user=`, `&mode=` where there are several
{base}/{provider}/token   a token for their client, or for what their key signs
{base}/{provider}/api/…   requests that carry it in the very places that the entry says
"""

from safeconduct.simulator.programs.owners import Owner, Owners
from safeconduct.simulator.programs.requests import carries
from safeconduct.simulator.programs.tokens import TokenMode, program_of, token_for

__all__ = ["Owner", "Owners", "TokenMode", "carries", "program_of", "token_for"]
