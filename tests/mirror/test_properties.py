"""Whatever happens in whatever order, the plan ends in what is wanted and touches nothing of the user's."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.objects import Endpoints, Key, Metadata, Service, ServicePort
from mirror import marks
from mirror.observed import GatewayAddress, Local, Object, Observed
from mirror.plan import Create, plan
from mirror.wanted import Desired, wanted
from mirror.withdrawal import Brake, judge
from tests.mirror.make import LINK, applied, remote, service

NAMES = ("a", "b", "a-east", "b-east")
NAMESPACES = ("test", "web")

remotes = st.lists(
    st.builds(
        service,
        st.sampled_from(NAMES),
        namespace=st.sampled_from(NAMESPACES),
        exported=st.booleans(),
        version=st.sampled_from(("7", "8")),
        labels=st.sampled_from(({}, {"tier": "web"}, {marks.MIRRORED_SERVICE: "true"})),
        type=st.sampled_from(("ClusterIP", "ClusterIP", "ExternalName")),
    ),
    max_size=5,
    unique_by=lambda found: found.metadata.key,
)
gateways = st.lists(
    st.builds(
        GatewayAddress,
        st.sampled_from(("203.0.113.7", "203.0.113.8", "2001:db8::1")),
        st.sampled_from((True, False, None)),
    ),
    max_size=3,
    unique_by=lambda address: address.ip,
).map(lambda found: tuple(sorted(found, key=lambda address: address.ip)))


@st.composite
def users(draw: st.DrawFn) -> Local:
    """A cluster with objects of the user's, some of which look a little like ours."""
    labels = st.dictionaries(
        st.sampled_from(("app", marks.MIRRORED_SERVICE, marks.CLUSTER_NAME)),
        st.sampled_from(("true", "east")),
    )
    keys = st.sampled_from([Key(namespace, name) for namespace in NAMESPACES for name in NAMES])
    chosen = draw(st.lists(keys, max_size=3, unique=True))
    services, endpoints = {}, {}
    for key in chosen:
        metadata = Metadata(key.name, key.namespace, f"user-{key.name}", "5", labels=draw(labels))
        if draw(st.booleans()):
            services[key] = Service(metadata, (ServicePort(80),), cluster_ip="10.3.0.1")
        if draw(st.booleans()):
            endpoints[key] = Endpoints(metadata)
    return Local(frozenset(draw(st.sets(st.sampled_from(NAMESPACES)))), services, endpoints, {})


@settings(max_examples=150, deadline=None)
@given(local=users(), history=st.lists(st.tuples(remotes, gateways, st.booleans()), min_size=1, max_size=6))
def test_every_history_ends_in_what_is_wanted(
    local: Local, history: list[tuple[list[Service], tuple[GatewayAddress, ...], bool]]
) -> None:
    theirs: dict[tuple[str, Key], Object] = {("Service", key): found for key, found in local.services.items()}
    theirs |= {("Endpoints", key): found for key, found in local.endpoints.items()}
    brake = Brake()
    before: Desired | None = None
    for step, (services, gateway, ready) in enumerate(history):
        where = remote(*services, ready=ready, listed_at=step * 60.0)
        seen = Observed(LINK, where, local, gateway, most=2 + step % 3)
        before = wanted(seen, before)
        assert before == wanted(seen)
        verdict, brake = judge(brake, seen, before, step * 60.0)
        removable = verdict.removable
        actions = plan(seen, before, removable)
        for action in actions:
            made = (action.kind.kind, action.object.metadata.key)
            assert made not in theirs
            assert isinstance(action, Create) or action.object.metadata.labels[marks.LINK_UID] == LINK.uid
        local = applied(local, actions)
        again = replace(seen, local=local)
        assert plan(again, wanted(again), removable) == []
        for key, found in wanted(again).mirrors.items():
            assert local.services[key].ports == found.service.ports
    left: dict[tuple[str, Key], Object] = {("Service", key): found for key, found in local.services.items()}
    left |= {("Endpoints", key): found for key, found in local.endpoints.items()}
    assert {key: left.get(key) for key in theirs} == theirs
