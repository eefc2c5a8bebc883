"""
A small Kubernetes API server, for the demo and the fast tests: objects, watches, tokens, no pods.

One store and one HTTP surface over a table of kinds:

    request -> surface -> locations, queries, bodies (what is asked?)
                       -> registry (what may become of an object?) -> store (numbered changes) -> journal
                       -> watches, paging, tables (what does the client see?)

`resources` is the table: a kind is a row, and what a row does not say is the same for all. Only `server`,
`surface`, `watches` and `journal` do I/O.

Where it differs from a real API server, as far as we know:

- *Who may do what.* RBAC is not modelled: every token of the cluster may do everything. There are no
  client certificates, no anonymous requests (but health and `/version`), no impersonation, no admission.
- *Nobody acts but the server.* No controllers and no nodes: a Deployment makes no Pods, a Service with a
  selector gets no Endpoints, a LoadBalancer no address, a namespace no `default` ServiceAccount, and a
  Secret of a service account no token. What controllers do and is done here at once: a deleted namespace
  is emptied, and what only a deleted object owned is deleted (in the foreground or the background alike).
  Events and Leases do not expire.
- *Kinds.* Only those in `resources`; Links and TrafficSplits are always served, and a
  CustomResourceDefinition is kept and called established but makes no kind. Custom resources are not
  pruned, defaulted, converted (only `apiVersion` is set) or judged by a schema; unknown fields are kept
  everywhere, and `fieldValidation` is not looked at. Of built-in kinds only what people get wrong is
  judged: names, labels, ports, addresses, required fields.
- *Requests.* No server-side apply and no managed fields, no schemas for `kubectl explain`, no CBOR, no
  `PartialObjectMetadata`, no `/api/v1/watch/…`; protobuf only as `kubectl create …` sends it, and never in
  answers. No subresources but `status` and `token`, and of pods `proxy`: GET to whatever process of this
  machine is at the pod's address (on loopback too, which the real one refuses). A write to `status` changes
  nothing else. A replace does not create (the real one does for Endpoints, Leases and Events). Deleting takes
  effect at once: there are no grace periods. Tokens are bound to their service account only, and are signed
  by HMAC: nobody else can verify them.
- *Services.* Addresses are IPv4 of this machine, and one to a Service; there are no node ports and no
  `externalIPs` that lead anywhere. An address that was freed is given again only when all others have been.
- *Versions.* A watch from a version that has not been yet gets 410 at once. Of each kind the last 10,000
  changes are kept, and none across a restart: older watches get 410, one from the last version goes on.
- *Disk.* What was answered survives the death of the process, not that of the machine.
"""

from cluster.local.server import LocalCluster

__all__ = ["LocalCluster"]
