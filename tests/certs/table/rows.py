"""All rows."""

from tests.certs.forge import without
from cryptography import x509
from tests.certs.table.example import Row, row

ROWS: list[Row] = [row("eku", "none", "Auth is missing", leaf=without(x509.ExtendedKeyUsage))]
