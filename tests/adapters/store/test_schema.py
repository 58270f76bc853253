"""From records to columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType, Optional

import pytest
from tests.adapters.store.rows import family, sample

from safeconduct.adapters.store.codec import codec
from safeconduct.adapters.store.schema import METADATA, TABLES, Column, Kind, columns
from safeconduct.adapters.store.statements import Statements
from safeconduct.core.model import RECORDS, Grant, Tenant, shape

Id = NewType("Id", str)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True)
class Everything:
    text: str
    id: Id
    colour: Colour
    number: int
    flag: bool
    blob: bytes
    words: frozenset[str]
    names: tuple[str, ...]
    body: Mapping[str, Any]
    amount: Decimal
    maybe: Decimal | None
    perhaps: Optional[bool]  # noqa: UP045 -- the older spelling means the same


def test_every_type_has_its_column() -> None:
    assert [(column.kind, column.nullable) for column in columns(Everything)] == [
        (Kind.TEXT, False),
        (Kind.TEXT, False),
        (Kind.TEXT, False),
        (Kind.INTEGER, False),
        (Kind.BOOLEAN, False),
        (Kind.BLOB, False),
        (Kind.WORDS, False),
        (Kind.LIST, False),
        (Kind.JSON, False),
        (Kind.DECIMAL, False),
        (Kind.DECIMAL, True),
        (Kind.BOOLEAN, True),
    ]


@pytest.mark.parametrize(
    "hint", [float, str | int, list[str], tuple[str, str], frozenset[int], Any]
)
def test_other_types_are_refused(hint: Any) -> None:
    record = dataclass(type("Record", (), {"__annotations__": {"field": hint}}))
    with pytest.raises(TypeError, match="field"):
        columns(record)


def test_every_record_has_a_table_led_by_its_tenant() -> None:
    assert set(TABLES) == set(RECORDS)
    assert len(METADATA.tables) == len(RECORDS)
    apart = {"directory", "high_water"}
    for record, table in TABLES.items():
        assert tuple(table.primary_key.columns.keys()) == shape(record).key
        if table.name not in apart:
            assert shape(record).key[0] == "tenant_id"
        assert (
            Column("tenant_id", Kind.TEXT, False) in columns(record) or table.name == "high_water"
        )


def test_index_names_fit_into_postgresql() -> None:
    names = [str(index.name) for table in TABLES.values() for index in table.indexes]
    assert max(map(len, names)) <= 63
    assert len(set(names)) == len(names)


def test_a_live_index_covers_the_living_only() -> None:
    (live,) = (index for index in TABLES[Grant].indexes if index.unique)
    for dialect in ("sqlite", "postgresql"):
        assert str(live.dialect_options[dialect]["where"]) == "grants.revoked_at IS NULL"


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_rows_make_the_round_trip(dialect: str) -> None:
    for record in RECORDS:
        made = codec(record, dialect)
        row = sample(record)
        if record is type(family("")):
            row = family("fam_1", leaf_presented=True, revoked_at=5)
        stored = made.encode(row)
        if dialect == "sqlite":  # which has no booleans
            stored = tuple(int(value) if isinstance(value, bool) else value for value in stored)
        found = made.decode(stored)
        assert found == row
        assert type(found) is record
        assert all(type(getattr(found, name)) is type(getattr(row, name)) for name in made.names)


def test_a_decoded_record_is_frozen() -> None:
    made = codec(Tenant, "sqlite")
    found = made.decode(made.encode(sample(Tenant)))
    with pytest.raises(AttributeError):
        found.name = "other"


def test_statements_are_compiled_once() -> None:
    made = Statements("sqlite")
    assert made.key(Tenant) is made.key(Tenant)
    assert made.update(Tenant, ("name",)) is made.update(Tenant, ("name",))
    assert made.update(Tenant, ("name",)) != made.update(Tenant, ("status",))
