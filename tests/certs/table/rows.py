"""All rows."""

from tests.certs.table import authorities, encodings, names, purposes
from tests.certs.table.example import Row

ROWS: list[Row] = [*purposes.ROWS, *purposes.TIMES, *authorities.ROWS, *names.ROWS, *encodings.ROWS]
