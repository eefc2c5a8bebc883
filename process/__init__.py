"""What every process has: settings at the door, logs, signals, the admin server. Imports nothing of ours."""
