"""The whole way in two real clusters. `make e2e` runs it; conftest.py says what it needs."""
