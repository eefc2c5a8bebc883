"""The front door: one module per command, and the wiring of everything else."""
