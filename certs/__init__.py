"""Identities and what vouches for them: keys, authorities, anchors, TLS contexts. No Kubernetes here."""
