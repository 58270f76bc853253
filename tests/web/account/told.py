"""What people are told of changes to their accounts: the mail that waits, sent."""

from tests.web.harness import Front

from safeconduct.jobs.leases import Limits
from safeconduct.jobs.runner import Runner
from safeconduct.jobs.table import mailing
from safeconduct.ports.messages import Message


async def mails(site: Front) -> list[Message]:
    """What went out since the last call, after the jobs that wait were run."""
    p = site.platform
    table = mailing(p.security_mail)
    one = Limits(slots=1)  # in the order in which they were written
    await Runner(store=p.store, clock=site.clock, mint=p.mint, table=table, limits=one).drain()
    sent, site.outbox.sent = site.outbox.sent, []
    return sent
