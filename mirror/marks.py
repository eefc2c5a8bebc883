"""The labels and annotations that users, Linkerd and we put on objects, each spelled once."""

EXPORTED = "mirror.linkerd.io/exported"
FEDERATED = "mirror.linkerd.io/federated"

MIRRORED_SERVICE = "mirror.linkerd.io/mirrored-service"
CLUSTER_NAME = "mirror.linkerd.io/cluster-name"
REMOTE_NAME = "mirror.linkerd.io/remote-svc-fq-name"
REMOTE_VERSION = "mirror.linkerd.io/remote-resource-version"
GATEWAY_IDENTITY = "mirror.linkerd.io/remote-gateway-identity"

OPAQUE_PORTS = "config.linkerd.io/opaque-ports"

LINK_UID = "jackstay.io/link-uid"
"""A label on everything that a Link makes: which Link it was."""

FINALIZER = "jackstay.io/mirror"
"""On a Link: not to be gone before what it made is."""

KEEP_MIRRORS = "jackstay.io/keep-mirrors"
"""On a Link: "true" leaves its mirrors behind when it is removed."""

REMOTE_UID = "jackstay.io/remote-cluster-uid"
"""On a Link: which cluster it led to when it was first read. On a mirror: of which one its version is."""

NAMESPACES = "jackstay.io/namespaces"
"""On a Link: the only namespaces in which it makes mirrors, with commas between them."""

COPIED_KEYS = "jackstay.io/copied-keys"
"""On a Link: keys, or prefixes and `/*`, that are copied although they belong to some tool."""

GATEWAY_PROTOCOL = "jackstay.io/gateway-protocol"
"""On a Link: what its gateway speaks, if not jackstay/1."""

READY_ENDPOINTS = "jackstay.io/remote-ready-endpoints"
"""On what stands behind a mirror: how many endpoints over there take connections."""

REASON = "jackstay.io/reason"
"""On what stands behind a mirror: why its addresses are ready, or are not, or are none."""

SINCE = "jackstay.io/since"
"""Beside the reason: since when it has been that."""

ALLOW_IDENTITIES = "jackstay.io/allow-identities"
ACCEPT_BARE_FIN = "jackstay.io/accept-bare-fin"
PROXY_PROTOCOL = "jackstay.io/proxy-protocol"

SLICE_SERVICE = "kubernetes.io/service-name"
SLICE_MANAGER = "endpointslice.kubernetes.io/managed-by"
OUR_SLICES = "mirror.jackstay.io"
"""Who manages our slices. (No slash: it is the value of a label, not a key.)"""

SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
