"""Our parts in a cluster, as manifests: from options to objects. Nothing here asks or changes a cluster."""
