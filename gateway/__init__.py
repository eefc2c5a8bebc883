"""The data path, both ends: TLS engine, frames, tunnels, pump, inbound and outbound. Knows no Kubernetes."""
