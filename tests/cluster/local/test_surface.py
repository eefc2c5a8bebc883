"""What any client sees of the API, over real HTTPS."""

import ssl
from typing import Any

import aiohttp
import pytest

from cluster.local import LocalCluster
from tests.support.cluster import local_cluster
from tests.support.http_api import TABLE, HttpApi

MAPS = "/api/v1/namespaces/default/configmaps"
LINKS = "/apis/multicluster.linkerd.io/v1alpha3/namespaces/default/links"


def named(name: str, **body: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **body}


async def test_without_a_token_only_health_and_version_are_answered(api: HttpApi) -> None:
    for path in ("/healthz", "/livez", "/readyz", "/livez/ping", "/version"):
        assert (await api.ask("GET", path, token="")).status == 200
    for path in ("/api", "/apis", MAPS, "/nowhere", "/openapi/v3", "/"):
        assert (await api.ask("GET", path, token="")).status == 401
        assert (await api.ask("GET", path, token="wrong")).status == 401


async def test_only_its_own_authority_vouches_for_it(cluster: LocalCluster) -> None:
    async with local_cluster() as other, aiohttp.ClientSession() as session:
        context = ssl.create_default_context(cadata=other.access.ca_data.decode())
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{cluster.access.server}/version", ssl=context)


async def test_the_life_of_an_object(api: HttpApi) -> None:
    made = await api.ask("POST", MAPS, named("a", data={"x": "1"}))
    assert made.status == 201
    assert (made.body["apiVersion"], made.body["kind"]) == ("v1", "ConfigMap")
    again = await api.ask("POST", MAPS, named("a"))
    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    made.body["data"] = {"x": "2"}
    replaced = await api.ask("PUT", f"{MAPS}/a", made.body)
    assert replaced.status == 200
    stale = await api.ask("PUT", f"{MAPS}/a", made.body | {"data": {"x": "3"}})
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert (await api.ask("GET", f"{MAPS}/a")).body == replaced.body
    gone = await api.ask("DELETE", f"{MAPS}/a")
    assert gone.body["details"]["uid"] == made.body["metadata"]["uid"]
    assert (await api.ask("GET", f"{MAPS}/a")).status == 404
    assert (await api.ask("DELETE", f"{MAPS}/a")).status == 404


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        ("application/merge-patch+json", {"data": {"x": None, "y": "2"}}),
        ("application/strategic-merge-patch+json", {"data": {"x": None, "y": "2"}}),
        (
            "application/json-patch+json",
            [{"op": "remove", "path": "/data/x"}, {"op": "add", "path": "/data/y", "value": "2"}],
        ),
    ],
)
async def test_three_ways_to_patch(api: HttpApi, content_type: str, patch: Any) -> None:
    await api.ask("POST", MAPS, named("a", data={"x": "1"}))
    patched = await api.ask("PATCH", f"{MAPS}/a", patch, Content_Type=content_type)
    assert (patched.status, patched.body["data"]) == (200, {"y": "2"})


async def test_a_patch_from_an_older_version_is_a_conflict(api: HttpApi) -> None:
    await api.ask("POST", MAPS, named("a"))
    patch = {"metadata": {"resourceVersion": "1"}, "data": {"x": "1"}}
    refused = await api.ask("PATCH", f"{MAPS}/a", patch, Content_Type="application/merge-patch+json")
    assert refused.status == 409


@pytest.mark.parametrize("form", ["application/apply-patch+yaml", "text/plain"])
async def test_other_patches_are_refused_with_a_sentence(api: HttpApi, form: str) -> None:
    await api.ask("POST", MAPS, named("a"))
    refused = await api.ask("PATCH", f"{MAPS}/a", {}, Content_Type=form)
    assert refused.status == 415
    assert "server-side apply" in refused.sentence or "accepted media types" in refused.sentence


async def test_a_custom_resource_takes_no_strategic_patch(api: HttpApi) -> None:
    await api.ask("POST", LINKS, named("east", spec={}))
    refused = await api.ask(
        "PATCH", f"{LINKS}/east", {}, Content_Type="application/strategic-merge-patch+json"
    )
    assert refused.status == 415


async def test_a_status_is_written_by_its_subresource_only(api: HttpApi) -> None:
    await api.ask("POST", LINKS, named("east", spec={"a": "1"}, status={"x": 1}))
    merge = {"Content_Type": "application/merge-patch+json"}
    body = {"spec": {"a": "2"}, "status": {"x": 2}}
    assert "status" not in (await api.ask("PATCH", f"{LINKS}/east", body, **merge)).body
    wrote = (await api.ask("PATCH", f"{LINKS}/east/status", {**body, "spec": {"a": "3"}}, **merge)).body
    assert (wrote["spec"], wrote["status"]) == ({"a": "2"}, {"x": 2})
    assert (await api.ask("GET", f"{LINKS}/east/status")).body == wrote


async def test_older_versions_show_the_same_object(api: HttpApi) -> None:
    await api.ask("POST", LINKS.replace("v1alpha3", "v1alpha1"), named("east", spec={"a": "1"}))
    for version in ("v1alpha1", "v1alpha2", "v1alpha3"):
        found = (await api.ask("GET", f"{LINKS.replace('v1alpha3', version)}/east")).body
        assert (found["apiVersion"], found["spec"]) == (f"multicluster.linkerd.io/{version}", {"a": "1"})


async def test_bodies_may_be_yaml(api: HttpApi) -> None:
    body = b"metadata:\n  name: a\ndata: {x: '1'}\n"
    assert (await api.ask("POST", MAPS, body, Content_Type="application/yaml")).status == 201


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"metadata": {"name": "a"}, "data": {"x": NaN}}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"\xff\xfe\xfd", "application/json", 400),
        (b"a: [", "application/yaml", 400),
        (b"k8s", "application/vnd.kubernetes.protobuf", 400),
        (b"{}", "text/plain", 415),
        (b'{"metadata": {"name": "A"}}', "application/json", 422),
        (b'{"metadata": {"name": "a", "labels": [1]}}', "application/json", 422),
        (b'{"metadata": {"name": "a"}, "kind": "Secret"}', "application/json", 400),
        (b" " * (3 * 1024 * 1024 + 1), "application/json", 413),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_a_body_that_cannot_be_is_refused(api: HttpApi, body: bytes, form: str, status: int) -> None:
    refused = await api.ask("POST", MAPS, body, Content_Type=form)
    assert (refused.status, refused.body["kind"]) == (status, "Status")
    assert refused.sentence


async def test_a_mistake_names_its_field(api: HttpApi) -> None:
    service = named("web", spec={"ports": [{"port": 0, "targetPort": 80}]})
    refused = await api.ask("POST", "/api/v1/namespaces/default/services", service)
    assert refused.status == 422
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["spec.ports[0].port"]
    assert "must be between 1 and 65535" in refused.sentence


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/v1/configmaps", 405),
        ("PUT", MAPS, 405),
        ("POST", f"{MAPS}/a", 405),
        ("GET", "/apis/authentication.k8s.io/v1/tokenreviews", 405),
        ("GET", "/nowhere", 404),
        ("GET", "/openapi/v2", 404),
        ("GET", f"{MAPS}?labelSelector=a%20b", 400),
        ("GET", f"{MAPS}?fieldSelector=data.x=1", 400),
        ("GET", f"{MAPS}?limit=x", 400),
        ("GET", f"{MAPS}?continue=x", 400),
        ("GET", f"{MAPS}?watch=1&resourceVersion=x", 400),
        ("GET", f"{MAPS}?watch=1&sendInitialEvents=true", 400),
        ("GET", "/api/v1/namespaces/kube-system?includeObject=x", 400),
        ("DELETE", "/api/v1/namespaces/kube-system", 403),
    ],
)
async def test_requests_that_make_no_sense(api: HttpApi, method: str, path: str, status: int) -> None:
    body = named("a") if method in ("POST", "PUT") else None
    assert (await api.ask(method, path, body)).status == status


async def test_other_subresources_are_refused_with_a_sentence(api: HttpApi) -> None:
    pods = "/api/v1/namespaces/default/pods"
    await api.ask("POST", pods, named("p", spec={"containers": [{"name": "c", "image": "i"}]}))
    for subresource in ("log", "exec", "eviction", "portforward"):
        refused = await api.ask("GET", f"{pods}/p/{subresource}")
        assert refused.status == 501
        assert "runs no pods" in refused.sentence
    assert (await api.ask("GET", f"{pods}/q/log")).status == 404


async def test_lists_by_namespace_label_and_field(api: HttpApi) -> None:
    await api.ask("POST", "/api/v1/namespaces", named("test"))
    await api.ask("POST", MAPS, {"metadata": {"name": "a", "labels": {"app": "web"}}})
    await api.ask("POST", MAPS.replace("default", "test"), named("b"))

    async def names(path: str) -> list[str]:
        return [item["metadata"]["name"] for item in (await api.ask("GET", path)).body["items"]]

    assert await names("/api/v1/configmaps") == ["a", "b"]
    assert await names(MAPS) == ["a"]
    assert await names("/api/v1/configmaps?labelSelector=app%3Dweb") == ["a"]
    assert await names("/api/v1/configmaps?fieldSelector=metadata.namespace%3Dtest") == ["b"]


async def test_a_list_in_pages(api: HttpApi) -> None:
    for number in range(5):
        await api.ask("POST", MAPS, named(f"m{number}"))
    first = (await api.ask("GET", f"{MAPS}?limit=3")).body
    assert first["metadata"]["remainingItemCount"] == 2
    rest = (await api.ask("GET", f"{MAPS}?limit=3&continue={first['metadata']['continue']}")).body
    assert len(first["items"]) + len(rest["items"]) == 5
    assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_collection_is_deleted_by_selector(api: HttpApi) -> None:
    for name, app in (("a", "web"), ("b", "db")):
        await api.ask("POST", MAPS, {"metadata": {"name": name, "labels": {"app": app}}})
    assert (await api.ask("DELETE", f"{MAPS}?labelSelector=app%3Dweb")).status == 200
    assert (await api.ask("GET", f"{MAPS}/a")).status == 404
    assert (await api.ask("GET", f"{MAPS}/b")).status == 200


async def test_a_delete_with_preconditions(api: HttpApi) -> None:
    made = (await api.ask("POST", MAPS, named("a"))).body["metadata"]
    wrong = {"preconditions": {"uid": "other"}}
    assert (await api.ask("DELETE", f"{MAPS}/a", wrong)).status == 409
    right = {"preconditions": {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}}
    assert (await api.ask("DELETE", f"{MAPS}/a", right)).status == 200


async def test_a_dry_run_changes_nothing(api: HttpApi) -> None:
    assert (await api.ask("POST", f"{MAPS}?dryRun=All", named("a"))).status == 201
    assert (await api.ask("GET", f"{MAPS}/a")).status == 404


async def test_a_table_for_who_asks_for_one(api: HttpApi) -> None:
    await api.ask("POST", MAPS, named("a", data={"x": "1"}))
    for path in (MAPS, f"{MAPS}/a"):
        table = (await api.ask("GET", path, Accept=TABLE)).body
        assert table["kind"] == "Table"
        assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert table["rows"][-1]["cells"][:2] == ["a", 1]
    refused = await api.ask("GET", MAPS, Accept="application/cbor")
    assert refused.status == 406


async def test_discovery_names_every_kind(api: HttpApi) -> None:
    groups = (await api.ask("GET", "/apis")).body["groups"]
    found = {resource["kind"] for resource in (await api.ask("GET", "/api/v1")).body["resources"]}
    for group in groups:
        preferred = group["preferredVersion"]["groupVersion"]
        listed = (await api.ask("GET", f"/apis/{preferred}")).body["resources"]
        found |= {resource["kind"] for resource in listed}
        document = (await api.ask("GET", f"/openapi/v3/apis/{preferred}")).body
        assert "fieldValidation" in str(document["paths"])
    assert {"Namespace", "Service", "EndpointSlice", "Link", "TrafficSplit", "TokenReview"} <= found


async def test_a_service_account_gets_a_token_and_is_known_by_it(api: HttpApi) -> None:
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    await api.ask("POST", accounts, named("app"))
    answer = await api.ask("POST", f"{accounts}/app/token", {"spec": {}})
    assert answer.status == 201
    token = answer.body["status"]["token"]
    assert (await api.ask("GET", MAPS, token=token)).status == 200
    review = {"spec": {"token": token}}
    reviewed = await api.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert reviewed.body["status"]["user"]["username"] == "system:serviceaccount:default:app"
    await api.ask("DELETE", f"{accounts}/app")
    assert (await api.ask("GET", MAPS, token=token)).status == 401
    assert (await api.ask("POST", f"{accounts}/app/token", {"spec": {}})).status == 404


async def test_the_service_of_the_api_leads_to_where_it_listens(cluster: LocalCluster, api: HttpApi) -> None:
    service = (await api.ask("GET", "/api/v1/namespaces/default/services/kubernetes")).body
    assert service["spec"]["clusterIP"] == "127.9.0.1"
    endpoints = (await api.ask("GET", "/api/v1/namespaces/default/endpoints/kubernetes")).body
    assert endpoints["subsets"][0]["ports"][0]["port"] == cluster.address.port


@pytest.mark.parametrize("network", ["10.0.0.0/24", "127.0.0.0/30", "127.1.2.3/24", "x"])
def test_a_service_range_elsewhere_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r"127\."):
        LocalCluster(service_range=network)
