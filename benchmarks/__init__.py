"""Every number that the README quotes, with the peers beside it. See benchmarks/README.md."""
