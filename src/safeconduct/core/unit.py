"""The unit of work as values: what to read, what was found, what to write.

A use case is `store.run(reads, decide)`. `reads` name rows to lock and load; `decide` is a plain
function from `Facts` to a verdict, and the verdict carries its writes. Because a refusal is
returned and not raised, a refusal can write too (a replayed token ends its family).

    reads ──▶ Facts ──decide──▶ verdict(writes)        one transaction, all or nothing

Concurrency: rows that a unit reads are locked until it commits. A `Find` locks the rows it found,
not the gap around them; a unit that must see every future sibling also reads their parent by
`Ref`, which every writer of siblings reads as well. Two units that insert the same key: one wins,
the other is read and decided again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

R = TypeVar("R")
Value = Any


class Ref(Generic[R]):
    """One row by its whole key: `Ref(Client, tenant_id="t1", id="c1")`."""

    __slots__ = ("_hash", "key", "type")

    def __init__(self, type_: type[R], **key: Value) -> None:
        names = type_.__record__.key  # type: ignore[attr-defined]
        if tuple(key) != names:  # mostly given in order, which is quickly seen
            if set(key) != set(names):
                raise TypeError(f"{type_.__name__} is keyed by {names}, not {sorted(key)}")
            key = {name: key[name] for name in names}
        self.type = type_
        self.key: tuple[Value, ...] = tuple(key.values())
        self._hash = hash((type_, self.key))  # asked for many times on its way

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.type is other.type and self.key == other.key

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Ref({self.type.__name__})"


class Find(Generic[R]):
    """Rows by equality on some columns, ordered, bounded.

    `after` continues behind a row: the values of the `order` columns of the last row seen.
    A column in `order` with a leading minus sorts downwards; all columns sort the same way.
    `span` bounds columns from below and above, both ends included: `{"at": (low, None)}`.
    `among` keeps rows whose column is one of a few values (64 at most).
    """

    __slots__ = ("after", "among", "limit", "order", "span", "type", "where")

    def __init__(
        self,
        type_: type[R],
        where: Mapping[str, Value],
        *,
        order: tuple[str, ...] = (),
        after: tuple[Value, ...] | None = None,
        span: Mapping[str, tuple[Value | None, Value | None]] | None = None,
        among: Mapping[str, tuple[Value, ...]] | None = None,
        limit: int = 100,
    ) -> None:
        self.type = type_
        self.where = tuple(sorted(where.items()))
        self.order = order or type_.__record__.key  # type: ignore[attr-defined]
        self.after = after
        self.span = tuple(sorted((span or {}).items()))
        self.among = tuple(sorted((among or {}).items()))
        self.limit = limit

    def _identity(self) -> tuple[Any, ...]:
        return (self.type, self.where, self.order, self.after, self.span, self.among, self.limit)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Find) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        return f"Find({self.type.__name__} by {[name for name, _ in self.where]})"


Read = Ref[Any] | Find[Any]


class Facts:
    """What the reads found."""

    __slots__ = ("_found",)

    def __init__(self, found: Mapping[Read, Any]) -> None:
        self._found = found

    def __contains__(self, read: Read) -> bool:
        """Whether this was read at all."""
        return read in self._found

    def get(self, ref: Ref[R]) -> R | None:
        return cast("R | None", self._found[ref])

    def all(self, find: Find[R]) -> tuple[R, ...]:
        return cast("tuple[R, ...]", self._found[find])


@dataclass(frozen=True, slots=True)
class Insert:
    """Add a row. An existing key makes the unit read and decide again."""

    row: Any


@dataclass(frozen=True, slots=True)
class Update:
    """Set columns of the row with this key; a row that is gone stays gone."""

    ref: Ref[Any]
    set: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the row with this key, if it is there."""

    ref: Ref[Any]


@dataclass(frozen=True, slots=True)
class UpdateAll:
    """Set columns of every row that matches all of `where` (a NULL matches None)."""

    type: type[Any]
    where: Mapping[str, Value]
    set: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class DeleteAll:
    """Remove every row that matches all of `where`.

    `before` narrows to rows whose column is strictly below the value: `("expires_at", now)`.
    `limit` takes that many at most, so that clearing up does not hold up everybody else.
    """

    type: type[Any]
    where: Mapping[str, Value]
    before: tuple[str, Value] | None = None
    limit: int | None = None


Write = Insert | Update | Delete | UpdateAll | DeleteAll


class Verdict(Protocol):
    """What a decision returns. Whatever else it carries, it carries its writes."""

    @property
    def writes(self) -> Sequence[Write]: ...


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """The plain verdict: an answer and its writes."""

    answer: R
    writes: Sequence[Write] = field(default=())

    def __iter__(self) -> Iterator[Any]:
        return iter((self.answer, self.writes))
