"""Claims in tables: a column that is made of other columns, a row or column of means."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from moe_mamba_asv.reports.consistency.judging import (
    Verdict,
    judge_change,
    judge_difference,
    judge_mean,
    judge_ratio,
)
from moe_mamba_asv.reports.consistency.numbers import leading_number
from moe_mamba_asv.reports.consistency.reading import Table
from moe_mamba_asv.reports.consistency.result import Claim, ClaimKind, Operand
from moe_mamba_asv.reports.consistency.verdicts import claim_of, operand_of

_RATIO = re.compile(r"倍|比值|\bratio\b|\btimes as\b|\bfold\b|speed-?up|factor|×", re.IGNORECASE)
_DIFFERENCE = re.compile(r"差距|差值|差异|之差|Δ|\bdiff|\bgap\b|delta|百分点|\bpoints\b|\bpp\b", re.IGNORECASE)
_CHANGE = re.compile(
    r"改善|提升|降幅|变化|下降|降低|\bimprove|\bchange|reduction|\bgain\b|relative|相对", re.IGNORECASE
)
_MEAN = re.compile(r"\W*(?:average|avg\.?|mean|平均值?|均值)(?:\s*EER)?(?:\s*\(?%\)?)?\W*", re.IGNORECASE)
#: Rows and columns that sum others up, or count: no operands of a mean.
_SUMMARY = re.compile(
    r"\W*(?:std|s\.?d\.?|median|min|max|best|worst|total|sum|all|overall|pooled|count|n|num|trials|p\d\d|average|avg|mean|"
    r"中位|标准差|最[小大好差优]|合计|总[计体和]|样本|平均|均值)(?![a-z])",
    re.IGNORECASE,
)
_MAX_COLUMNS = 10


@dataclass(frozen=True)
class _Source:
    """Where a derived column's operands may be: two columns, or one column in this row and in another one.

    Attributes:
        kind: what is computed of them.
        columns: of the first and the second operand.
        row: of the first operand: this one (0), the one before (-1) or the table's first (None).
    """

    kind: ClaimKind
    columns: tuple[int, int]
    row: int | None = 0

    def rows(self, row: int) -> tuple[int, int]:
        return (0 if self.row is None else row + self.row), row


class _Grid:
    """The numbers of a table whose rows have as many cells as its header."""

    def __init__(self, table: Table) -> None:
        self.header = table.header
        self.rows = [row for row in table.rows if len(row.cells) == len(table.header)]
        self.cells = [[leading_number(cell) for cell in row.cells] for row in self.rows]
        self.mean_rows = [
            index
            for index, row in enumerate(self.rows)
            if _MEAN.fullmatch(row.cells[0]) and all(_SUMMARY.match(later.cells[0]) for later in self.rows[index:])
        ]
        self.derived = {column: kinds for column in range(len(self.header)) if (kinds := self._kinds(column))}
        self.mean_columns = [column for column, name in enumerate(self.header) if _MEAN.fullmatch(name)]

    def _kinds(self, column: int) -> tuple[ClaimKind, ...]:
        name = self.header[column]
        units = [number.unit for row in self.cells if (number := row[column])]
        if units and (_RATIO.search(name) or units.count("times") * 2 > len(units)):
            return ("ratio",)
        if units and _DIFFERENCE.search(name):
            return ("difference", "relative_change") if _CHANGE.search(name) else ("difference",)
        return ("relative_change", "difference") if units and _CHANGE.search(name) else ()

    def plain_columns(self) -> list[int]:
        """Columns of quantities that are made of no other."""
        made = {*self.derived, *self.mean_columns}
        columns = [column for column in range(1, len(self.header)) if column not in made]
        return [column for column in columns if any(row[column] for row in self.cells)]

    def nearest(self, column: int) -> list[int]:
        """Of these the few beside a derived one; nobody derives a column from one that is far away."""
        return sorted(sorted(self.plain_columns(), key=lambda other: abs(other - column))[:_MAX_COLUMNS])

    def operand(self, row: int, column: int) -> Operand:
        number = self.cells[row][column]
        assert number is not None
        where = f"{self.rows[row].cells[0]} / {self.header[column]}".strip(" /")
        return operand_of(number, self.rows[row].line.number, where)

    def claim(self, row: int, column: int, kind: ClaimKind, cells: list[tuple[int, int]], verdict: Verdict) -> Claim:
        stated = self.cells[row][column]
        assert stated is not None
        operands = tuple(self.operand(*cell) for cell in cells)
        return claim_of(self.rows[row].line, kind, stated, operands, verdict)


def claims_of_table(table: Table) -> Iterator[Claim]:
    """Judge the derived columns and the means of a table with a header."""
    grid = _Grid(table)
    if not grid.rows:
        return
    for column, kinds in grid.derived.items():
        yield from _derived_column(grid, column, kinds)
    yield from _means(grid)


def _derived_column(grid: _Grid, column: int, kinds: tuple[ClaimKind, ...]) -> Iterator[Claim]:
    """Judge a column by the operands that most of its rows agree on; where no such operands are, nothing is said."""
    rows = [row for row in range(len(grid.rows)) if grid.cells[row][column] and row not in grid.mean_rows]
    plain = grid.nearest(column)
    sources = [_Source(kind, pair) for kind in kinds for pair in combinations(plain, 2)]
    sources += [_Source(kind, (one, one), row) for kind in kinds for one in plain for row in (None, -1)]
    verdicts = {
        source: {row: verdict for row in rows if (verdict := _verdict(grid, column, source, row))} for source in sources
    }
    told = [source for source in sources if _is_told(verdicts[source], len(rows))]
    if not told and len(rows) == 1:
        # One row and two quantities of one unit: there is nothing else that the column can be of.
        told = sources[:1] if len(plain) == 2 and verdicts[sources[0]] and kinds[0] != "relative_change" else []
    if not told:
        return
    best = max(_fits(verdicts[source]) for source in told)
    told = [source for source in told if _fits(verdicts[source]) == best]
    told.sort(key=lambda source: sum(abs(column - other) for other in source.columns))
    for row in rows:
        judged = [source for source in told if row in verdicts[source]]
        holding = [source for source in judged if verdicts[source][row].holds]
        elsewhere = any(row in found and found[row].holds and not found[row].remark for found in verdicts.values())
        if not judged or (elsewhere and not holding):
            continue
        source = (holding or judged)[0]
        cells = list(zip(source.rows(row), source.columns, strict=True))
        yield grid.claim(row, column, source.kind, cells, verdicts[source][row])


def _verdict(grid: _Grid, column: int, source: _Source, row: int) -> Verdict | None:
    first_row, second_row = source.rows(row)
    if first_row < 0 or (source.row is None and row == 0):
        return None
    stated = grid.cells[row][column]
    first, second = grid.cells[first_row][source.columns[0]], grid.cells[second_row][source.columns[1]]
    if (
        stated is None
        or first is None
        or second is None
        or first.unit != second.unit
        or first.negative
        or second.negative
    ):
        return None
    if source.kind == "ratio":
        return judge_ratio(stated, first, second)
    if source.kind == "relative_change":
        return judge_change(stated, first, second, ordered=False) if stated.unit == "%" else None
    same = stated.unit == first.unit or (stated.unit == "points" and first.unit == "%")
    return judge_difference(stated, first, second) if same else None


def _fits(verdicts: dict[int, Verdict]) -> int:
    return sum(verdict.holds or verdict.remark == "off_by_one" for verdict in verdicts.values())


def _is_told(verdicts: dict[int, Verdict], num_rows: int) -> bool:
    """Whether these are the operands: at least two rows fit, and they are more than half of those with operands."""
    return _fits(verdicts) >= min(2, num_rows) and 2 * _fits(verdicts) > len(verdicts)


def _means(grid: _Grid) -> Iterator[Claim]:
    columns = [*grid.plain_columns(), *grid.mean_columns]
    for row in grid.mean_rows:
        yield from _told_means(
            _mean(grid, (row, column), [(above, column) for above in _single(grid, row)]) for column in columns
        )
    for column in grid.mean_columns:
        plain = [other for other in grid.plain_columns() if other < column]
        others = [other for other in plain if not _SUMMARY.match(grid.header[other])]
        yield from _told_means(
            _mean(grid, (row, column), [(row, other) for other in others])
            for row in range(len(grid.rows))
            if row not in grid.mean_rows
        )


def _single(grid: _Grid, end: int) -> list[int]:
    """Rows before one of means that sum nothing up themselves."""
    return [row for row in range(end) if not _SUMMARY.match(grid.rows[row].cells[0])]


def _told_means(judged: Iterable[Claim | None]) -> list[Claim]:
    """Means of one row or column; if there are several and none holds, they are of numbers that are not shown."""
    claims = [claim for claim in judged if claim]
    return claims if len(claims) == 1 or any(claim.holds for claim in claims) else []


def _mean(grid: _Grid, place: tuple[int, int], cells: list[tuple[int, int]]) -> Claim | None:
    """Judge one mean by the cells before it, all of them or only the last: it is wrong if none of these fits."""
    stated = grid.cells[place[0]][place[1]]
    if stated is None:
        return None
    used: list[tuple[int, int]] = []
    for row, column in reversed(cells):
        number = grid.cells[row][column]
        if number is None or number.unit != stated.unit or number.negative:
            break
        used.insert(0, (row, column))
    numbers = [number for row, column in used if (number := grid.cells[row][column])]
    tried = [(used[start:], judge_mean(stated, numbers[start:])) for start in range(len(used) - 1)]
    if not tried:
        return None
    cells, verdict = next((pair for pair in tried if pair[1].holds), tried[0])
    return grid.claim(*place, "mean", cells, verdict)
