"""Which service does which kind of work. A kind that is not here is left to newer processes.

expiry.sweep        subject "-"              comes back every ten minutes
attempt.poll        subject attempt id       until somebody has decided on another screen
sync.<capability>   subject connection id    comes back every hour, sooner when asked for
client.leave        subject client id        until none of the users that it managed is left
connections.notice  subject "-"              every hour
events.chain        subject "-"              every second while there is something to chain
ciba.notify         subject request id       until the app was told that somebody has decided
data.erase          subject connection id    once, after the connection has ended
credential.check    subject connection id    each day, sooner when a caller was refused with it
credential.refresh  subject connection id    ahead of each expiry, until the connection ends
logout.session      subject its own id       once, when a session or all of a user's have ended
logout.deliver      subject its own id       until the app was told, or would not be
security.mail       subject its own id       once, for each address that hears of a change
provider.leave      subject provider id      until nobody is linked there any more
provider.unregister subject its own id       until the server ended our registration there
provider.revoke     subject its own id       until the provider took its tokens back
webhooks.fan_out    subject event id         once, for each event that is published
webhooks.deliver    subject delivery id      until it is taken, or given up after three days
"""

from collections.abc import Awaitable, Callable, Mapping

from safeconduct.core.jobs import Outcome, Reschedule
from safeconduct.core.model import Job, TenantId
from safeconduct.core.security_mail import SECURITY_MAIL
from safeconduct.core.upstream.records import CAPABILITIES, CapabilityName
from safeconduct.jobs.runner import Handler
from safeconduct.ports.clock import Clock
from safeconduct.services import expiry
from safeconduct.services.chain import Chain
from safeconduct.services.ciba import Ciba
from safeconduct.services.clients import ORPHANS_JOB
from safeconduct.services.connections import (
    Checking,
    DeviceLinks,
    GivingBack,
    Leaving,
    Notices,
    Refresh,
)
from safeconduct.services.connections.attach import CHECK_JOB
from safeconduct.services.connections.device_links import POLL_JOB
from safeconduct.services.connections.giving_back import REVOKE_JOB
from safeconduct.services.connections.outcomes import REFRESH_JOB
from safeconduct.services.connections.own_providers import LEAVING_JOB
from safeconduct.services.connections.unregistering import UNREGISTER_JOB, Unregistering
from safeconduct.services.deferrals import NOTIFY_JOB
from safeconduct.services.erasure import Erasure
from safeconduct.services.expiry import Expiry
from safeconduct.services.farewells import DELIVER, FAREWELL, Farewells
from safeconduct.services.ledger import sync_job
from safeconduct.services.managed_users import ManagedUsers
from safeconduct.services.security_mail import SecurityMail
from safeconduct.services.sync import Syncing
from safeconduct.services.webhooks import DELIVER_JOB, FAN_OUT_JOB, Deliveries, FanOut

SWEEP = expiry.SWEEP_JOB
CHAIN = "events.chain"
NOTICE = "connections.notice"
ERASE = "data.erase"
ENDS = frozenset({ERASE, FAREWELL, DELIVER, LEAVING_JOB, REVOKE_JOB, SECURITY_MAIL, UNREGISTER_JOB})
RESTING_MS = 60_000


def sweeping(
    sweeper: Expiry, clock: Clock, *more: Callable[[TenantId], Awaitable[int]]
) -> Mapping[str, Handler]:
    async def sweep(job: Job) -> Outcome:
        await sweeper.sweep(job.tenant_id)
        for expire in more:
            await expire(job.tenant_id)
        return Reschedule(clock.now() + expiry.EVERY_MS)

    return {SWEEP: sweep}


def chaining(chain: Chain) -> Mapping[str, Handler]:
    async def turn(job: Job) -> Outcome:
        return await chain.turn()

    return {CHAIN: turn}


def noticing(notices: Notices) -> Mapping[str, Handler]:
    async def turn(job: Job) -> Outcome:
        return await notices.turn()

    return {NOTICE: turn}


def data(syncing: Syncing, erasure: Erasure) -> Mapping[str, Handler]:
    def reading(capability: CapabilityName) -> Handler:
        async def read(job: Job) -> Outcome:
            return await syncing.sync(job.tenant_id, job.subject, capability, job)

        return read

    async def erase(job: Job) -> Outcome:
        return await erasure.erase(job.tenant_id, job.subject)

    return {**{sync_job(name): reading(name) for name in CAPABILITIES}, ERASE: erase}


def taking_leave(farewells: Farewells) -> Mapping[str, Handler]:
    return {FAREWELL: farewells.begin, DELIVER: farewells.deliver}


def keeping(refresh: Refresh, giving_back: GivingBack) -> Mapping[str, Handler]:
    return {REFRESH_JOB: refresh.run, REVOKE_JOB: giving_back.run}


def unregistering(unregistering: Unregistering) -> Mapping[str, Handler]:
    return {UNREGISTER_JOB: unregistering.run}


def checking(checking: Checking) -> Mapping[str, Handler]:
    return {CHECK_JOB: checking.run}


def leaving(leaving: Leaving, managed_users: ManagedUsers) -> Mapping[str, Handler]:
    return {LEAVING_JOB: leaving.run, ORPHANS_JOB: managed_users.orphaned}


def polling(device_links: DeviceLinks) -> Mapping[str, Handler]:
    return {POLL_JOB: device_links.run}


def telling(fan_out: FanOut, deliveries: Deliveries) -> Mapping[str, Handler]:
    return {FAN_OUT_JOB: fan_out.run, DELIVER_JOB: deliveries.run}


def resting(
    table: Mapping[str, Handler], rests: Callable[[TenantId], bool], clock: Clock
) -> Mapping[str, Handler]:
    """The same work, put off while its tenant is suspended; what was promised is kept later.

    What has to end (leave taken, tokens given back, data erased) ends all the same.
    """

    def while_it_works(handle: Handler) -> Handler:
        async def run(job: Job) -> Outcome:
            if rests(job.tenant_id):
                return Reschedule(clock.now() + RESTING_MS)
            return await handle(job)

        return run

    return {
        kind: handle if kind in ENDS else while_it_works(handle) for kind, handle in table.items()
    }


def counting(table: Mapping[str, Handler], count: Callable[[str, str], None]) -> dict[str, Handler]:
    """The same work, and what became of each turn: done, again, failed."""

    def counted(kind: str, handle: Handler) -> Handler:
        async def run(job: Job) -> Outcome:
            try:
                outcome = await handle(job)
            except BaseException:
                count(kind, "failed")
                raise
            match outcome:
                case Reschedule():
                    count(kind, "again")
                case None:
                    count(kind, "done")
                case _:
                    count(kind, "failed")
            return outcome

        return run

    return {kind: counted(kind, handle) for kind, handle in table.items()}


def mailing(security_mail: SecurityMail) -> Mapping[str, Handler]:
    return {SECURITY_MAIL: security_mail.run}


def pinging(ciba: Ciba) -> Mapping[str, Handler]:
    return {NOTIFY_JOB: ciba.notify}
