"""Windows on lists, by two numbers whose names differ from list to list."""

from starlette.requests import Request

from safeconduct.core.errors import ApiError

MAX = 2**31 - 1


def integer(text: str) -> int | None:
    """A number as it stands in a path or a query; None for anything else."""
    plain = text.isascii() and text.isdigit() and len(text) < 11
    return int(text) if plain and int(text) <= MAX else None


def window(
    request: Request, size: str, start: str, *, usual: int, most: int | None
) -> tuple[int, int]:
    """How many rows from where. The contract knows no 400 for these lists: what lies outside
    of them is not found.
    """
    found = []
    for name, default, least, limit in ((size, usual, 1, most), (start, 0, 0, None)):
        given = request.query_params.getlist(name)
        number = default if not given else integer(given[0])
        if number is None or len(given) > 1 or number < least or number > (limit or MAX):
            raise ApiError(404, "no_such_page", f"there is no such page: {name}")
        found.append(number)
    return found[0], found[1]
