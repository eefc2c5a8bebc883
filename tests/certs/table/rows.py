"""All rows."""

from tests.certs.table import authorities, chains, constraints, encodings, keys, names, purposes
from tests.certs.table.example import Row

ROWS: list[Row] = [
    *chains.NONE,
    *chains.ROWS,
    *chains.PROOFS,
    *purposes.ROWS,
    *purposes.TIMES,
    *authorities.ROWS,
    *constraints.ROWS,
    *keys.ROWS,
    *encodings.ROWS,
    *names.ROWS,
]
