"""Webhooks out: receivers, fan-out, deliveries."""

from safeconduct.services.webhooks.deliver import DELIVER_JOB, Deliveries
from safeconduct.services.webhooks.endpoints import Made, Webhooks
from safeconduct.services.webhooks.fan_out import FAN_OUT_JOB, FanOut, TellingStore

__all__ = [
    "DELIVER_JOB",
    "FAN_OUT_JOB",
    "Deliveries",
    "FanOut",
    "Made",
    "TellingStore",
    "Webhooks",
]
