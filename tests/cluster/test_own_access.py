from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.kubeconfig import RefusedKubeconfig, in_cluster, local
from tests.support.kubeconfigs import (
    EXEC,
    SERVER,
    WEB,
    document,
    of_cluster,
    of_user,
    written,
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_bytes(WEB.anchors_pem)
    (tmp_path / "web.crt").write_bytes(WEB.certificate_pem)
    (tmp_path / "web.key").write_bytes(WEB.key_pem)
    (tmp_path / "token").write_text("from-a-file\n")
    return tmp_path


def test_the_operators_own_may_name_files(files: Path) -> None:
    whole = document(
        cluster={
            "certificate-authority-data": None,
            "certificate-authority": "ca.crt",
            "tls-server-name": "x",
        },
        user={"token": None, "client-certificate": "web.crt", "client-key": str(files / "web.key")},
    )
    (files / "config").write_bytes(written(whole))
    access = local(files / "config", environment={})
    assert access.ca_data == WEB.anchors_pem
    assert (access.client_certificate, access.client_key) == (WEB.certificate_pem, WEB.key_pem)
    assert (access.name, access.tls_server_name) == ("c", "x")


def test_the_operators_own_may_name_a_token_file_or_a_plugin(files: Path) -> None:
    (files / "config").write_bytes(
        written(document(user={"token": None, "tokenFile": "token", "exec": EXEC}))
    )
    access = local(files / "config", environment={})
    assert access.token_file == files / "token"
    assert access.exec_plugin is not None
    assert access.exec_plugin["command"] == "touch"


def several(files: Path) -> Callable[[str, str], None]:
    def write(name: str, server: str) -> None:
        whole = document(cluster={"server": server}, current_context=name)
        whole["contexts"][0]["name"] = name
        whole["contexts"][0]["context"] = {"cluster": name, "user": name, "namespace": f"in-{name}"}
        whole["clusters"][0]["name"] = whole["users"][0]["name"] = name
        (files / name).write_bytes(written(whole))

    return write


def test_several_files_are_one_and_a_context_chooses(files: Path) -> None:
    write = several(files)
    write("east", "https://192.0.2.1")
    write("west", "https://192.0.2.2")
    environment = {"KUBECONFIG": f"{files / 'missing'}:{files / 'west'}:{files / 'east'}"}
    assert local(environment=environment).server == "https://192.0.2.2"
    east = local(context="east", environment=environment)
    assert (east.server, east.name, east.namespace) == ("https://192.0.2.1", "east", "in-east")
    with pytest.raises(RefusedKubeconfig, match="'north'"):
        local(context="north", environment=environment)


def test_the_home_directory_comes_next_then_the_pod(files: Path) -> None:
    with pytest.raises(FileNotFoundError, match="--kubeconfig"):
        local(environment={"HOME": str(files)})
    (files / ".kube").mkdir()
    (files / ".kube" / "config").write_bytes(written(document()))
    assert local(environment={"HOME": str(files)}).server == SERVER


def test_a_pod_has_its_own_access(files: Path) -> None:
    (files / "namespace").write_text("jackstay")
    environment = {"KUBERNETES_SERVICE_HOST": "2001:db8::1", "KUBERNETES_SERVICE_PORT": "6443"}
    access = in_cluster(files, environment=environment)
    assert access.server == "https://[2001:db8::1]:6443"
    assert access.token_file == files / "token"
    assert (access.token, access.namespace) == (None, "jackstay")
    with pytest.raises(RefusedKubeconfig, match="pod"):
        in_cluster(files, environment={})
    with pytest.raises(FileNotFoundError, match="this pod has no service account token"):
        in_cluster(files / "elsewhere", environment=environment)


@pytest.mark.parametrize(
    ("field", "kubeconfig"),
    [
        ("insecure-skip-tls-verify", of_cluster(insecure_skip_tls_verify=True)),
        ("proxy-url", of_cluster(proxy_url="http://192.0.2.9")),
        ("auth-provider", of_user(auth_provider={"name": "gcp"})),
        ("username", of_user(username="admin")),
        ("server", of_cluster(server="http://192.0.2.1")),
    ],
)
def test_even_the_operators_own_may_not_say_this(files: Path, field: str, kubeconfig: bytes) -> None:
    (files / "config").write_bytes(kubeconfig)
    with pytest.raises(RefusedKubeconfig) as refused:
        local(files / "config", environment={})
    assert refused.value.field == field
