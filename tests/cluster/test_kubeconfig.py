from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.kubeconfig import RefusedKubeconfig, render, strict
from tests.support.kubeconfigs import (
    CANARY,
    EXEC,
    OTHER,
    SERVER,
    WEB,
    document,
    encoded,
    of_cluster,
    of_user,
    twice,
    written,
)


def test_one_cluster_with_a_token_is_taken() -> None:
    access = strict(written(document()))
    assert access.server == SERVER
    assert access.token == "a-token"
    assert access.ca_data == WEB.anchors_pem
    assert access.name == "east"


def test_an_inline_client_certificate_is_taken() -> None:
    user = {
        "token": None,
        "client-certificate-data": encoded(WEB.certificate_pem),
        "client-key-data": encoded(WEB.key_pem),
    }
    access = strict(written(document(user=user)))
    assert access.token is None
    assert (access.client_certificate, access.client_key) == (WEB.certificate_pem, WEB.key_pem)


def test_what_we_render_is_taken() -> None:
    rendered = render(SERVER, WEB.anchors_pem, "12345", user="remote", cluster="east", namespace="jackstay")
    access = strict(rendered)
    assert (access.server, access.token, access.name) == (SERVER, "12345", "east")
    assert access.namespace == "jackstay"


def test_the_name_in_the_servers_certificate_may_be_another_than_its_address() -> None:
    assert strict(written(document(cluster={"tls-server-name": "api.east"}))).tls_server_name == "api.east"
    assert strict(written(document())).tls_server_name == ""


def test_secrets_are_not_in_the_repr() -> None:
    assert "a-token" not in repr(strict(written(document())))


TAKEN: list[tuple[str, dict[str, Any]]] = [
    ("https://east.example.com", {}),
    ("https://east.example.com/k8s/clusters/c-1", {}),
    ("https://[2001:db8::1]:6443", {}),
    (SERVER, {"insecure-skip-tls-verify": False}),
    (SERVER, {"disable-compression": True}),
]


@pytest.mark.parametrize(("server", "cluster"), TAKEN)
def test_these_are_taken(server: str, cluster: dict[str, Any]) -> None:
    assert strict(written(document(cluster={"server": server, **cluster}))).server == server


PAIR = {
    "client_certificate_data": encoded(WEB.certificate_pem),
    "client_key_data": encoded(WEB.key_pem),
}

REFUSED: list[tuple[str, str, bytes]] = [
    ("runs a program", "exec", of_user(exec=EXEC)),
    ("runs a program instead of a token", "exec", of_user(token=None, exec=EXEC)),
    (
        "an auth provider",
        "auth-provider",
        of_user(auth_provider={"name": "gcp", "config": {"cmd-path": CANARY}}),
    ),
    ("a token from a file", "tokenFile", of_user(tokenFile=CANARY)),
    ("a token from a file instead", "tokenFile", of_user(token=None, tokenFile=CANARY)),
    ("a certificate from a file", "client-certificate", of_user(client_certificate=CANARY)),
    ("a key from a file", "client-key", of_user(client_key=CANARY)),
    ("a CA from a file", "certificate-authority", of_cluster(certificate_authority=CANARY)),
    ("a password", "password", of_user(username="admin", password="secret")),
    ("impersonation", "as", of_user(**{"as": "system:admin"})),
    ("a proxy", "proxy-url", of_cluster(proxy_url="http://192.0.2.9:3128")),
    ("an empty proxy", "proxy-url", of_cluster(proxy_url="")),
    ("unverified TLS", "insecure-skip-tls-verify", of_cluster(insecure_skip_tls_verify=True)),
    ("unverified TLS, as a text", "insecure-skip-tls-verify", of_cluster(insecure_skip_tls_verify="True")),
    ("a server name that is none", "tls-server-name", of_cluster(tls_server_name="east north")),
    ("a server name that is no text", "tls-server-name", of_cluster(tls_server_name=["east"])),
    ("no CA", "certificate-authority-data", of_cluster(certificate_authority_data=None)),
    ("an empty CA", "certificate-authority-data", of_cluster(certificate_authority_data="")),
    ("a CA that is no base64", "certificate-authority-data", of_cluster(certificate_authority_data="?")),
    (
        "a CA that is no PEM",
        "certificate-authority-data",
        of_cluster(certificate_authority_data=encoded(b"hi")),
    ),
    (
        "a key as CA",
        "certificate-authority-data",
        of_cluster(certificate_authority_data=encoded(WEB.key_pem)),
    ),
    ("no TLS", "server", of_cluster(server="http://192.0.2.1:6443")),
    ("a file as server", "server", of_cluster(server="file:///etc/passwd")),
    ("a socket as server", "server", of_cluster(server="unix:///run/x.sock")),
    ("no server", "server", of_cluster(server=None)),
    ("no host", "server", of_cluster(server="https://")),
    ("a bad port", "server", of_cluster(server="https://192.0.2.1:99999")),
    ("a password in the URL", "server", of_cluster(server="https://a:b@192.0.2.1")),
    ("a query in the URL", "server", of_cluster(server="https://192.0.2.1/?x=")),
    ("a fragment in the URL", "server", of_cluster(server="https://192.0.2.1/#")),
    ("a backslash in the URL", "server", of_cluster(server="https://192.0.2.1\\@127.0.0.1")),
    ("a line end in the URL", "server", of_cluster(server="https://192.0.2.1/\r\nX: y")),
    ("loopback", "server", of_cluster(server="https://127.0.0.1:6443")),
    ("loopback by name", "server", of_cluster(server="https://localhost.:6443")),
    ("loopback, v6", "server", of_cluster(server="https://[::1]:6443")),
    ("loopback, mapped", "server", of_cluster(server="https://[::ffff:127.0.0.1]:6443")),
    ("loopback, as a number", "server", of_cluster(server="https://2130706433")),
    ("loopback, in hex", "server", of_cluster(server="https://0x7f.1")),
    ("the metadata service", "server", of_cluster(server="https://169.254.169.254")),
    ("anywhere", "server", of_cluster(server="https://0.0.0.0")),
    ("two clusters", "clusters", twice("clusters")),
    ("two users", "users", twice("users")),
    ("two contexts", "contexts", twice("contexts")),
    ("no cluster", "clusters", written(document(clusters=[]))),
    ("clusters that are no list", "clusters", written(document(clusters={"a": "b"}))),
    ("no users", "users", written(document(users="null"))),
    ("another context", "current-context", written(document(current_context="d"))),
    ("a key that nobody knows", "extensions", written(document(extensions=[]))),
    (
        "more in an entry",
        "exec",
        written(document(users=[{"name": "a", "user": {"token": "b"}, "exec": {}}])),
    ),
    ("another version", "apiVersion", written(document(apiVersion="v2"))),
    ("another kind", "kind", written(document(kind="Secret"))),
    ("no credentials", "user", of_user(token=None)),
    ("both credentials", "user", of_user(**PAIR)),
    ("an empty token", "token", of_user(token="")),
    ("a token with a line end", "token", of_user(token="a\r\nX: y")),
    ("a token that is a list", "token", of_user(token=["a"])),
    (
        "a certificate without its key",
        "client-key-data",
        of_user(token=None, **PAIR | {"client_key_data": None}),
    ),
    (
        "another's key",
        "client-key-data",
        of_user(token=None, **PAIR | {"client_key_data": encoded(OTHER.key_pem)}),
    ),
    ("nothing", "kubeconfig", b""),
    ("no mapping", "kubeconfig", b"[]"),
    ("no YAML", "kubeconfig", b"{"),
    ("no text", "kubeconfig", b"\xff\xfe\xff"),
    ("two documents", "kubeconfig", b"a: b\n---\nc: d\n"),
    ("deep", "kubeconfig", b"[" * 100_000),
    ("huge", "kubeconfig", b"#" * (1 << 20)),
    ("aliases", "kubeconfig", b"a: &a [x]\nb: [*a, *a]\n"),
    ("said twice", "kubeconfig", written(document()) + b"kind: Config\n"),
    ("a tag that constructs", "kubeconfig", b"!!python/object/apply:os.system ['touch /nonexistent/canary']"),
    ("a merge key", "<<", written(document()) + b"<<: {exec: x}\n"),
]


@pytest.mark.parametrize(
    ("field", "kubeconfig"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_malicious_kubeconfig_is_refused_by_name(field: str, kubeconfig: bytes) -> None:
    with pytest.raises(RefusedKubeconfig) as refused:
        strict(kubeconfig)
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")
    assert "a-token" not in str(refused.value)


def test_loopback_is_taken_where_it_is_allowed() -> None:
    at = "https://127.1.2.1:6443"
    assert strict(of_cluster(server=at), allow_loopback=True).server == at
    with pytest.raises(RefusedKubeconfig):
        strict(of_cluster(server="https://169.254.169.254"), allow_loopback=True)


@given(st.binary(max_size=200) | st.text(alphabet="[]{}:,-&*!|>?\"'#% \nab<1~", max_size=60).map(str.encode))
def test_no_bytes_raise_anything_else(kubeconfig: bytes) -> None:
    with pytest.raises(RefusedKubeconfig):
        strict(kubeconfig)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from(["clusters", "users", "contexts", "cluster", "user"]), JUNK)
def test_no_form_raises_anything_else(part: str, junk: Any) -> None:
    whole = document()
    if part in whole:
        whole[part] = junk
    else:
        whole[f"{part}s"][0][part] = junk
    with pytest.raises(RefusedKubeconfig):
        strict(written(whole))
