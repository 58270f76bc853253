"""The platform API (`/api/v1`) over a platform's services."""

from typing import Any

from starlette.routing import Route

from safeconduct.app.platform import Platform
from safeconduct.services.cursors import Cursors
from safeconduct.services.log import EventLog
from safeconduct.web.api import accounts as accounts_api
from safeconduct.web.api import assets as assets_api
from safeconduct.web.api import attempts as attempts_api
from safeconduct.web.api import clients as clients_api
from safeconduct.web.api import connections as connections_api
from safeconduct.web.api import events as events_api
from safeconduct.web.api import explanations as explanations_api
from safeconduct.web.api import health as health_api
from safeconduct.web.api import identifiers as identifiers_api
from safeconduct.web.api import inbound as inbound_api
from safeconduct.web.api import linking as linking_api
from safeconduct.web.api import managed_users as managed_users_api
from safeconduct.web.api import openapi
from safeconduct.web.api import organizations as organizations_api
from safeconduct.web.api import providers as providers_api
from safeconduct.web.api import proxy as proxy_api
from safeconduct.web.api import registration as registration_api
from safeconduct.web.api import requests as requests_api
from safeconduct.web.api import resources as resources_api
from safeconduct.web.api import sessions as sessions_api
from safeconduct.web.api import tenants as tenants_api
from safeconduct.web.api import transactions as transactions_api
from safeconduct.web.api import users as users_api
from safeconduct.web.api import webhooks as webhooks_api
from safeconduct.web.api.accounts import AccountsApi
from safeconduct.web.api.assets import AssetsApi
from safeconduct.web.api.attempts import AttemptsApi
from safeconduct.web.api.clients import ClientsApi
from safeconduct.web.api.connections import ConnectionsApi
from safeconduct.web.api.events import EventsApi
from safeconduct.web.api.explanations import ExplanationsApi
from safeconduct.web.api.health import HealthApi
from safeconduct.web.api.identifiers import IdentifiersApi
from safeconduct.web.api.inbound import InboundApi
from safeconduct.web.api.linking import LinkingApi
from safeconduct.web.api.managed_users import ManagedUsersApi
from safeconduct.web.api.openapi import Description
from safeconduct.web.api.organizations import OrganizationsApi
from safeconduct.web.api.providers import ProvidersApi
from safeconduct.web.api.proxy import ProxyApi
from safeconduct.web.api.registration import RegistrationApi
from safeconduct.web.api.requests import RequestsApi
from safeconduct.web.api.resources import ResourcesApi
from safeconduct.web.api.sessions import SessionsApi
from safeconduct.web.api.tenants import TenantsApi
from safeconduct.web.api.transactions import TransactionsApi
from safeconduct.web.api.users import UsersApi
from safeconduct.web.api.webhooks import WebhooksApi

Part = tuple[Any, Description]


def api(p: Platform) -> list[Route]:
    """The routes of every part, and the description of them all."""
    parts = [*_apps(p), *_accounts_elsewhere(p), *_people(p), *_happenings(p)]
    return [
        *(route for part, _ in parts for route in part.routes()),
        openapi.route(p.issuer, [description for _, description in parts]),
    ]


def _apps(p: Platform) -> list[Part]:
    """Who may ask, and for what."""
    return [
        (
            ClientsApi(clients=p.clients, access=p.access, replays=p.replays),
            clients_api.DESCRIPTION,
        ),
        (RegistrationApi(vouching=p.vouching, access=p.access), registration_api.DESCRIPTION),
        (
            ResourcesApi(resources=p.resources, access=p.access, realms=p.realms),
            resources_api.DESCRIPTION,
        ),
        (
            RequestsApi(deferrals=p.deferrals, access=p.access),
            requests_api.DESCRIPTION,
        ),
        (
            ManagedUsersApi(
                managed_users=p.managed_users,
                managed_tokens=p.managed_tokens,
                platform_clients=p.platform_clients,
                access=p.access,
            ),
            managed_users_api.DESCRIPTION,
        ),
    ]


def _accounts_elsewhere(p: Platform) -> list[Part]:
    """Providers, the accounts that users have there, and what is in them."""
    data: dict[str, Any] = {"assets": p.assets, "connections": p.connections, "access": p.access}
    return [
        (
            ProvidersApi(providers=p.providers, own=p.own_providers, access=p.access),
            providers_api.DESCRIPTION,
        ),
        (
            ConnectionsApi(**data, sync_runs=p.sync_runs, disconnect=p.disconnect),
            connections_api.DESCRIPTION,
        ),
        (
            AttemptsApi(
                start=p.start,
                complete=p.complete,
                device_links=p.device_links,
                enter=p.enter,
                clients=p.clients,
                clock=p.clock,
                access=p.access,
            ),
            attempts_api.DESCRIPTION,
        ),
        (
            LinkingApi(
                enter=p.enter,
                providers=p.providers,
                connections=p.connections,
                access=p.access,
            ),
            linking_api.DESCRIPTION,
        ),
        (
            ProxyApi(connections=p.connections, proxy=p.proxy, access=p.access),
            proxy_api.DESCRIPTION,
        ),
        (AssetsApi(**data), assets_api.DESCRIPTION),
        (TransactionsApi(**data), transactions_api.DESCRIPTION),
        (
            HealthApi(health=p.health, connections=p.connections, access=p.access),
            health_api.DESCRIPTION,
        ),
        (InboundApi(inbound=p.inbound, tenant_id=p.tenant_id), inbound_api.DESCRIPTION),
    ]


def _people(p: Platform) -> list[Part]:
    """Users and the tenants that they belong to."""
    return [
        (
            AccountsApi(
                accounts=p.accounts,
                users=p.users,
                api_keys=p.api_keys,
                delegation=p.delegation,
                access=p.access,
            ),
            accounts_api.DESCRIPTION,
        ),
        (
            IdentifiersApi(identifiers=p.own_identifiers, users=p.users, access=p.access),
            identifiers_api.DESCRIPTION,
        ),
        (
            UsersApi(users=p.users, grants=p.grants, cursors=Cursors(p.keys), access=p.access),
            users_api.DESCRIPTION,
        ),
        (
            SessionsApi(sessions=p.sessions, users=p.users, access=p.access),
            sessions_api.DESCRIPTION,
        ),
        (
            OrganizationsApi(organizations=p.organizations, access=p.access),
            organizations_api.DESCRIPTION,
        ),
        (
            TenantsApi(tenants=p.tenants, cursors=Cursors(p.keys), access=p.access),
            tenants_api.DESCRIPTION,
        ),
    ]


def _happenings(p: Platform) -> list[Part]:
    """What has happened, and who is told."""
    log = EventLog(store=p.store, keys=p.keys, denials=p.denials)
    return [
        (EventsApi(log=log, access=p.access), events_api.DESCRIPTION),
        (
            ExplanationsApi(explanations=p.explanations, access=p.access),
            explanations_api.DESCRIPTION,
        ),
        (
            WebhooksApi(
                webhooks=p.webhooks,
                deliveries=p.deliveries,
                clients=p.clients,
                access=p.access,
            ),
            webhooks_api.DESCRIPTION,
        ),
    ]
