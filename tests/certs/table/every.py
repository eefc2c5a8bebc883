"""All cases."""

from tests.certs.table import (
    accepted,
    authorities,
    chains,
    constraints,
    encoding,
    keys,
    names,
    purposes,
    times,
)

CATEGORIES = {
    "names": names.ROWS,
    "times": times.ROWS,
    "chains": chains.ROWS,
    "authorities": authorities.ROWS,
    "purposes": purposes.ROWS,
    "constraints": constraints.ROWS,
    "keys": keys.ROWS,
    "encoding": encoding.ROWS,
}
BAD = [case for rows in CATEGORIES.values() for case in rows]
GOOD = accepted.ROWS
