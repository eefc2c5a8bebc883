import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from queue import Queue
from threading import Thread

import aiohttp
import pytest
from aiohttp import web

from cluster import client as client_module
from cluster import exchange
from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import (
    AlreadyExists,
    BrokenAnswer,
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotConnected,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from cluster.kinds import CONFIG_MAP, NAMESPACE, SECRET, SERVICE
from tests.support.cluster import local_cluster
from tests.support.pki import Pki
from tests.support.scripted_api import ScriptedApi, service


@pytest.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    async with ScriptedApi() as api:
        yield api


@pytest.fixture
async def cluster(api: ScriptedApi) -> AsyncIterator[Cluster]:
    async with Cluster(api.access, deadline=2.0) as cluster:
        yield cluster


ANSWERS = [
    (400, "BadRequest", Invalid),
    (401, "Unauthorized", Unauthorized),
    (403, "Forbidden", Forbidden),
    (404, "NotFound", NotFound),
    (409, "AlreadyExists", AlreadyExists),
    (409, "Conflict", Conflict),
    (410, "Expired", Gone),
    (418, "", ServerFault),
    (422, "Invalid", Invalid),
    (429, "TooManyRequests", TooManyRequests),
    (500, "InternalError", ServerFault),
    (503, "ServiceUnavailable", ServerFault),
]


@pytest.mark.parametrize(("status", "reason", "error"), ANSWERS)
async def test_each_answer_has_its_class_and_says_what_was_asked(
    api: ScriptedApi, cluster: Cluster, status: int, reason: str, error: type[ClusterError]
) -> None:
    api.fails(status, reason=reason, message="because\r\n of this")
    with pytest.raises(ClusterError) as raised:
        await cluster.get(SERVICE, "test", "podinfo")
    assert type(raised.value) is error
    assert str(raised.value).startswith(f"east: get services test/podinfo: {status}")
    assert str(raised.value).endswith(": because of this")


async def test_how_long_to_wait_is_kept_within_reason(api: ScriptedApi, cluster: Cluster) -> None:
    for said, kept in (("7", 7.0), ("86400", 60.0), ("soon", 1.0), ("", 1.0)):
        api.fails(429, retry_after=said)
        with pytest.raises(TooManyRequests) as raised:
            await cluster.get(SERVICE, "test", "podinfo")
        assert raised.value.retry_after == kept


async def test_requests_are_what_the_api_expects(api: ScriptedApi, cluster: Cluster) -> None:
    body = service("podinfo", "7")
    for _ in range(6):
        api.answers(200, body)
    await cluster.create(SERVICE, body)
    await cluster.replace(SERVICE, body)
    await cluster.replace_status(SERVICE, body)
    await cluster.patch(SERVICE, "test", "podinfo", {"a": None})
    await cluster.patch_status(SERVICE, "test", "podinfo", {"a": None})
    await cluster.delete(SERVICE, "test", "podinfo", uid="u", resource_version="7")
    collection = "/api/v1/namespaces/test/services"
    assert [(asked.method, asked.path) for asked in api.asked] == [
        ("POST", collection),
        ("PUT", f"{collection}/podinfo"),
        ("PUT", f"{collection}/podinfo/status"),
        ("PATCH", f"{collection}/podinfo"),
        ("PATCH", f"{collection}/podinfo/status"),
        ("DELETE", f"{collection}/podinfo"),
    ]
    assert api.asked[0].body == body
    assert api.asked[3].headers["Content-Type"] == "application/merge-patch+json"
    assert api.asked[3].body == {"a": None}
    assert api.asked[5].body["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    assert {asked.headers["Authorization"] for asked in api.asked} == {"Bearer secret-token"}
    assert api.asked[0].headers["User-Agent"].startswith("jackstay/")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a?b", "a#b", "é", "a" * 254])
async def test_a_name_that_leads_elsewhere_is_never_asked_for(
    api: ScriptedApi, cluster: Cluster, name: str
) -> None:
    with pytest.raises(ValueError, match="no name"):
        await cluster.delete(SERVICE, "test", name)
    with pytest.raises(ValueError, match="no name"):
        await cluster.delete(SERVICE, name, "podinfo")
    assert api.asked == []


async def test_a_list_is_read_to_its_last_page(api: ScriptedApi, cluster: Cluster) -> None:
    api.lists(service("a", "1"), version="5", following="next")
    api.lists(service("b", "2"), version="5")
    listing = await cluster.list(SERVICE, label_selector="a=b", field_selector="metadata.name!=c")
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b"]
    assert listing.resource_version == "5"
    first, second = api.asked
    assert first.path == "/api/v1/services"
    assert first.query["limit"] == "500"
    assert second.query["continue"] == "next"
    assert second.query["labelSelector"] == "a=b"
    assert second.query["fieldSelector"] == "metadata.name!=c"


async def test_a_list_whose_moment_is_forgotten_is_asked_for_at_once(
    api: ScriptedApi, cluster: Cluster
) -> None:
    api.lists(service("a", "1"), version="5", following="next")
    api.list_fails(410, reason="Expired")
    api.lists(service("b", "2"), version="9")
    listing = await cluster.list(SERVICE)
    assert [item["metadata"]["name"] for item in listing.items] == ["b"]
    assert "limit" not in api.asked[-1].query


NO_LISTS = [
    b"",
    b"[]",
    b"{",
    b"{}",
    b'{"items": null}',
    b'{"metadata": {"resourceVersion": "5"}}',
    b'{"metadata": {"resourceVersion": "5"}, "items": {}}',
    b'{"metadata": {"resourceVersion": "5"}, "items": ["a"]}',
    b'{"metadata": {"resourceVersion": "5", "continue": 7}, "items": []}',
    b"[" * 100_000,
    b"<html>",
    b"\xff",
]


@pytest.mark.parametrize("body", NO_LISTS)
async def test_what_is_no_list_is_no_empty_list(api: ScriptedApi, cluster: Cluster, body: bytes) -> None:
    api.list_says(body)
    with pytest.raises(BrokenAnswer, match="east: list services"):
        await cluster.list(SERVICE)


async def test_pages_of_two_moments_are_no_list(api: ScriptedApi, cluster: Cluster) -> None:
    api.lists(service("a", "1"), version="5", following="next")
    api.lists(service("b", "2"), version="6")
    with pytest.raises(BrokenAnswer, match="different versions"):
        await cluster.list(SERVICE)


async def test_a_list_that_never_ends_is_given_up(
    api: ScriptedApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MOST_PAGES", 3)
    for _ in range(4):
        api.lists(version="5", following="next")
    with pytest.raises(BrokenAnswer, match="has not ended"):
        await cluster.list(SERVICE)


async def test_an_answer_has_a_largest_size(
    api: ScriptedApi, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "LARGEST_ANSWER", 1000)
    api.list_says(b" " * 2000)
    with pytest.raises(BrokenAnswer, match="larger"):
        await cluster.list(SERVICE)


async def test_an_answer_has_a_deadline(api: ScriptedApi) -> None:
    async with Cluster(api.access, deadline=0.1) as cluster:
        with pytest.raises(Unreachable, match="in time"):
            await cluster.list(SERVICE)


async def test_a_redirect_is_not_followed(api: ScriptedApi, cluster: Cluster) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{api.access.server}/elsewhere"})

    api.does(elsewhere)
    with pytest.raises(BrokenAnswer, match="302"):
        await cluster.get(SECRET, "test", "a")
    assert len(api.asked) == 1


async def test_proxy_variables_are_not_obeyed(api: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with Cluster(api.access) as cluster:
        assert await cluster.uid() == api.cluster_uid


async def test_a_server_of_another_authority_is_not_trusted(api: ScriptedApi) -> None:
    stranger = Pki.make().anchors_pem
    async with Cluster(replace(api.access, ca_data=stranger)) as cluster:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await cluster.uid()
    assert api.asked == []


async def test_a_server_of_another_name_is_not_trusted(api: ScriptedApi) -> None:
    async with Cluster(replace(api.access, tls_server_name="")) as cluster:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await cluster.uid()
    assert api.asked == []


NOBODY = "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("east", f"east: its API server {NOBODY} cannot be reached: Connection refused"),
        ("", f"the API server {NOBODY} cannot be reached: Connection refused"),
    ],
)
async def test_where_nobody_is_the_server_is_named_and_not_what_was_asked(
    api: ScriptedApi, name: str, said: str
) -> None:
    async with Cluster(replace(api.access, name=name, server=NOBODY)) as cluster:
        with pytest.raises(NotConnected) as error:
            await cluster.uid()
    assert str(error.value) == said


async def test_a_server_that_takes_connections_and_does_nothing_is_not_connected_to(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(exchange, "CONNECTING", 0.1)
    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with silent:
        host, port = silent.sockets[0].getsockname()
        async with Cluster(replace(api.access, server=f"https://{host}:{port}")) as cluster:
            with pytest.raises(NotConnected, match=r"cannot be reached: no connection within 0\.1 s"):
                await cluster.uid()
            with pytest.raises(NotConnected, match="no connection within"):
                async with cluster.watch(SERVICE, resource_version="1", seconds=1, silence=9):
                    pass


async def test_a_client_certificate_from_memory_is_shown(api: ScriptedApi) -> None:
    async def who(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        peer = request.transport.get_extra_info("peercert")
        return web.json_response({"gitVersion": peer["subjectAltName"][0][1]})

    client = api.pki.leaf("web.test")
    access = replace(
        api.access, token=None, client_certificate=client.certificate_pem, client_key=client.key_pem
    )
    api.does(who)
    async with Cluster(access) as cluster:
        assert await cluster.version() == client.identity
    assert "Authorization" not in api.asked[0].headers


async def test_a_key_that_cannot_be_used_is_an_error_with_a_sentence(api: ScriptedApi) -> None:
    other = api.pki.leaf("other.test")
    access = replace(api.access, client_certificate=other.certificate_pem, client_key=b"no key")
    with pytest.raises(Unreachable, match="client certificate cannot be used"):
        async with Cluster(access):
            pass


async def test_a_refused_token_is_read_again_once(api: ScriptedApi, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old")

    async def renewing(request: web.Request) -> web.StreamResponse:
        file.write_text("new")
        return web.json_response({"kind": "Status"}, status=401)

    api.does(renewing)
    api.answers(200, {"data": {}})
    api.fails(401)
    async with Cluster(replace(api.access, token=None, token_file=file)) as cluster:
        assert await cluster.get(CONFIG_MAP, "test", "a") == {"data": {}}
        with pytest.raises(Unauthorized):
            await cluster.get(CONFIG_MAP, "test", "a")
        file.unlink()
        api.fails(401)
        with pytest.raises(Unauthorized, match="there is no token"):
            await cluster.get(CONFIG_MAP, "test", "a")
    shown = [asked.headers["Authorization"] for asked in api.asked]
    assert shown == ["Bearer old", "Bearer new", "Bearer new", "Bearer new"]


async def test_an_exec_plugin_gives_the_token(api: ScriptedApi) -> None:
    credential = (
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
        ' "status": {"token": "from-a-plugin"}}'
    )
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", 'printf %s "$CREDENTIAL"'],
        "env": [{"name": "CREDENTIAL", "value": credential}],
    }
    api.answers(200, {"gitVersion": "v1"})
    async with Cluster(replace(api.access, token=None, exec_plugin=plugin)) as cluster:
        assert await cluster.version() == "v1"
    assert api.asked[0].headers["Authorization"] == "Bearer from-a-plugin"


@pytest.mark.parametrize("command", ["false", "/nonexistent/plugin"])
async def test_an_exec_plugin_that_fails_is_an_error_with_a_sentence(api: ScriptedApi, command: str) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": command}
    async with Cluster(replace(api.access, token=None, exec_plugin=plugin)) as cluster:
        with pytest.raises(Unauthorized, match=f"the exec plugin {command}"):
            await cluster.version()


async def test_a_token_request_and_a_review_are_read(api: ScriptedApi, cluster: Cluster) -> None:
    api.answers(201, {"status": {"token": "t", "expirationTimestamp": "2026-01-02T03:04:05Z"}})
    token = await cluster.create_token("test", "web", audiences=("a",), seconds=3600)
    assert (token.token, token.expires.isoformat()) == ("t", "2026-01-02T03:04:05+00:00")
    assert api.asked[0].path == "/api/v1/namespaces/test/serviceaccounts/web/token"
    assert api.asked[0].body["spec"] == {"audiences": ["a"], "expirationSeconds": 3600}
    user = {"username": "system:serviceaccount:test:web"}
    api.answers(201, {"status": {"authenticated": True, "user": user, "audiences": ["a"]}})
    reviewed = await cluster.review_token("t", ("a",))
    assert (reviewed.authenticated, reviewed.username) == (True, "system:serviceaccount:test:web")
    api.answers(201, {"status": {"error": "expired"}})
    assert await cluster.review_token("t") == type(reviewed)(False, "", (), "expired")
    api.answers(201, {"status": {"token": "t"}})
    with pytest.raises(BrokenAnswer, match="expirationTimestamp"):
        await cluster.create_token("test", "web", seconds=3600)


async def test_a_cluster_without_kube_system_has_no_uid(api: ScriptedApi, cluster: Cluster) -> None:
    api.fails(404)
    assert await cluster.uid() == ""
    api.fails(403)
    with pytest.raises(Forbidden):
        await cluster.uid()
    api.fails(500)
    with pytest.raises(ServerFault):
        await cluster.uid()


async def test_no_secret_is_logged_at_any_level(
    api: ScriptedApi, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        api.answers(200, {"data": {"kubeconfig": "c2VjcmV0"}})
        await cluster.get(SECRET, "test", "a")
        api.fails(500)
        with pytest.raises(ServerFault) as raised:
            await cluster.get(NAMESPACE, None, "a")
    for text in (caplog.text, str(raised.value), repr(cluster), repr(cluster.access)):
        assert "c2VjcmV0" not in text
        assert "secret-token" not in text


async def test_many_requests_run_side_by_side(api: ScriptedApi, cluster: Cluster) -> None:
    for _ in range(20):
        api.answers(200, {"data": {}})
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(cluster.get(CONFIG_MAP, "test", "a"))
    assert len(api.asked) == 20


async def test_outside_its_context_it_is_of_no_use(api: ScriptedApi) -> None:
    with pytest.raises(RuntimeError, match="outside its context"):
        await Cluster(api.access).uid()


def test_a_connection_that_broke_is_told_in_the_network_s_words() -> None:
    broken = aiohttp.ClientPayloadError("Response payload is not completed")
    broken.__cause__ = TimeoutError(110, "Connection timed out")
    assert exchange._why(broken) == "Connection timed out"  # a kernel's timeout takes half a minute
    assert exchange._why(aiohttp.ClientPayloadError("cut short")) == "cut short"


def test_requests_cancelled_at_any_moment_leave_no_socket_open() -> None:
    """A connection that is made but no request's yet is the hard one: some of these moments meet it."""
    access: Queue[Access] = Queue()

    async def serve(stop: asyncio.Event) -> None:
        async with local_cluster() as cluster:
            access.put(cluster.access)
            await stop.wait()

    async def cancelled_after(seconds: float) -> None:
        async with Cluster(served) as cluster:
            tasks = [asyncio.create_task(cluster.list(SERVICE)) for _ in range(3)]
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    # Another thread and loop: in ours the server would go on while connections end.
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    server = Thread(target=loop.run_until_complete, args=(serve(stop),))
    server.start()
    gc.collect()
    gc.freeze()  # what other tests have left is no business of ours, and is gone over 150 times otherwise
    try:
        served = access.get(timeout=30)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ResourceWarning)
            for tenths in range(150):
                asyncio.run(cancelled_after(tenths / 10_000))
                gc.collect()
        assert not [str(one.message) for one in told]
    finally:
        gc.unfreeze()
        loop.call_soon_threadsafe(stop.set)
        server.join()
        loop.close()
