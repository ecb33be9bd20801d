"""Optimal assignment: pairs up two lists for the greatest total worth. Pure: no files, no models, no clock."""

from __future__ import annotations

from collections.abc import Sequence


def assign(worth: Sequence[Sequence[int]]) -> list[int | None]:
    """For each row the column it is paired with (`None`: left over), so that the summed worth is greatest.

    `worth` is `(rows, columns)` of whole numbers, so that no rounding can decide a tie. Every row is paired where
    there are as many columns, and every column where there are as many rows. Time: rows² × columns of the narrow way.

    Source: Kuhn, The Hungarian method for the assignment problem, 1955, in the form with potentials that adds one
    row at a time along a shortest augmenting path.
    """
    rows, columns = len(worth), len(worth[0]) if worth else 0
    if rows > columns:
        taken: list[int | None] = [None] * rows
        for column, paired in enumerate(assign([[line[column] for line in worth] for column in range(columns)])):
            if paired is not None:
                taken[paired] = column
        return taken
    row_price, column_price = [0] * rows, [0] * columns
    owner: list[int | None] = [None] * columns
    for start in range(rows):
        slack: list[int | None] = [None] * columns
        came_from: list[int | None] = [None] * columns
        done = [False] * columns
        row: int | None = start
        last = -1
        while row is not None:
            best, delta = -1, None
            for column in range(columns):
                if done[column]:
                    continue
                cost = -worth[row][column] - row_price[row] - column_price[column]
                known = slack[column]
                if known is None or cost < known:
                    slack[column], came_from[column], known = cost, (None if last < 0 else last), cost
                if delta is None or known < delta:
                    best, delta = column, known
            assert delta is not None  # rows <= columns: one column is always left
            row_price[start] += delta
            for column in range(columns):
                if done[column]:
                    held = owner[column]
                    assert held is not None
                    row_price[held] += delta
                    column_price[column] -= delta
                elif (known := slack[column]) is not None:
                    slack[column] = known - delta
            done[best], last = True, best
            row = owner[best]
        while True:
            previous = came_from[last]
            if previous is None:
                owner[last] = start
                break
            owner[last], last = owner[previous], previous
    pairs: list[int | None] = [None] * rows
    for column, held in enumerate(owner):
        if held is not None:
            pairs[held] = column
    return pairs
