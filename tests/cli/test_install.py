"""What `jackstay install` and `jackstay crds` print, and what they refuse to print."""

import base64
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from certs.authority import Authority, make_issuer
from cli.app import COMMANDS, load
from cli.errors import CliError
from cli.install.everything import manifests, missing_secrets
from cli.install.wanted import ServiceType, Shown, Wanted
from cli.options import IDENTITY_TOKEN
from tests.support.pki import DAY, Issued, Pki

HOUSE = Path(__file__).parents[2]
PKI = Pki.make("east.jackstay")
GATEWAY = "jackstay-gateway.jackstay"
MIRROR = "jackstay-mirror.jackstay"


def shown(leaf: Issued) -> Shown:
    return Shown(certificate=leaf.certificate_pem, key=leaf.key_pem)


WANTED = Wanted(
    trust_anchors=PKI.bundle,
    trust_domain="east.jackstay",
    gateway_tls=shown(PKI.leaf(GATEWAY)),
    mirror_tls=shown(PKI.leaf(MIRROR)),
    identity_service=True,
    issuer=Shown(certificate=PKI.issuer.pem, key=PKI.issuer.key_pem),
)


def printed(wanted: Wanted = WANTED) -> dict[tuple[str, str], dict[str, Any]]:
    return {(made["kind"], made["metadata"]["name"]): made for made in manifests(wanted)}


def pods(wanted: Wanted = WANTED) -> list[dict[str, Any]]:
    made = manifests(wanted)
    return [part["spec"]["template"]["spec"] for part in made if part["kind"] == "Deployment"]


def test_what_others_need_stands_before_them() -> None:
    kinds = [made["kind"] for made in manifests(WANTED)]
    assert kinds[:3] == ["Namespace", "CustomResourceDefinition", "CustomResourceDefinition"]
    assert kinds[-1] == "Deployment"
    for before, after in (
        ("ServiceAccount", "RoleBinding"),
        ("Role", "RoleBinding"),
        ("ClusterRole", "ClusterRoleBinding"),
        ("ConfigMap", "Deployment"),
        ("Secret", "Deployment"),
        ("Service", "Deployment"),
    ):
        assert kinds.index(before) < kinds.index(after)


def test_the_same_options_print_the_same() -> None:
    assert list(manifests(WANTED)) == list(manifests(WANTED))


def test_the_gateway_s_service_says_who_it_is_and_how_it_is_probed() -> None:
    service = printed()["Service", "jackstay-gateway"]
    assert service["metadata"]["annotations"] == {
        "mirror.linkerd.io/gateway-identity": (
            "jackstay-gateway.jackstay.serviceaccount.identity.jackstay.east.jackstay"
        ),
        "mirror.linkerd.io/probe-period": "3",
        "mirror.linkerd.io/probe-path": "/ready",
        "mirror.linkerd.io/multicluster-gateway": "true",
    }
    assert service["spec"]["type"] == "LoadBalancer"
    assert {port["name"]: port["port"] for port in service["spec"]["ports"]} == {
        "mc-gateway": 4143,
        "mc-probe": 4191,
    }
    node_port = printed(replace(WANTED, gateway_service_type=ServiceType.NODE_PORT))
    assert node_port["Service", "jackstay-gateway"]["spec"]["type"] == "NodePort"


def test_the_admin_port_is_in_no_service() -> None:
    for made in manifests(WANTED):
        if made["kind"] == "Service":
            assert 9990 not in [port["port"] for port in made["spec"]["ports"]]


def test_pods_do_what_the_restricted_profile_asks_for() -> None:
    namespace = printed()["Namespace", "jackstay"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert container["resources"]["requests"]


def test_a_drain_fits_into_the_grace_period() -> None:
    for pod in pods():
        assert pod["terminationGracePeriodSeconds"] == 45
        assert pod["enableServiceLinks"] is False


def test_nobody_may_do_more_than_is_listed() -> None:
    rules = {
        (made["kind"], made["metadata"]["name"]): [
            (group, resource, verb, ",".join(rule.get("resourceNames", ())))
            for rule in made["rules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        ]
        for made in manifests(WANTED)
        if made["kind"] in ("Role", "ClusterRole")
    }
    assert rules["ClusterRole", "jackstay-gateway"] == [
        ("", "services", "list", ""),
        ("", "services", "watch", ""),
        ("discovery.k8s.io", "endpointslices", "list", ""),
        ("discovery.k8s.io", "endpointslices", "watch", ""),
        ("", "nodes", "list", ""),
        ("", "nodes", "watch", ""),
    ]
    assert ("Role", "jackstay-gateway") not in rules
    assert rules["ClusterRole", "jackstay-identity"] == [
        ("authentication.k8s.io", "tokenreviews", "create", ""),
        ("", "events", "create", ""),
        ("", "events", "patch", ""),
    ]
    assert rules["Role", "jackstay-identity"] == [
        ("", "secrets", verb, "jackstay-identity-issuer") for verb in ("get", "list", "watch")
    ]
    assert rules["Role", "jackstay-remote-access"] == [
        ("", "serviceaccounts/token", "create", "jackstay-remote-access")
    ]
    everywhere = [right for (kind, _), rights in rules.items() if kind == "ClusterRole" for right in rights]
    assert not [right for right in everywhere if right[1] == "secrets"]
    assert not [right for rights in rules.values() for right in rights if "*" in right]
    remote = rules["ClusterRole", "jackstay-remote-access"]
    written = {(kind, verb) for _, kind, verb, _ in remote if verb not in ("get", "list", "watch")}
    assert written == {("events", "create"), ("events", "patch")}


def test_a_cluster_that_only_exports_has_no_mirror_and_one_that_only_imports_no_gateway() -> None:
    exporting = {name for _, name in printed(replace(WANTED, mirror=False))}
    assert not [name for name in exporting if "mirror" in name]
    importing = {name for _, name in printed(replace(WANTED, gateway=False))}
    assert not [name for name in importing if "gateway" in name or "remote" in name]


def test_definitions_can_be_left_to_somebody_else() -> None:
    kinds = {kind for kind, _ in printed(replace(WANTED, crds=False))}
    assert "CustomResourceDefinition" not in kinds


def test_the_namespace_is_the_one_asked_for_everywhere() -> None:
    pki, elsewhere = Pki.make("east.jackstay"), "multicluster"
    made = manifests(Wanted(trust_anchors=pki.bundle, trust_domain="east.jackstay", namespace=elsewhere))
    assert {part["metadata"].get("namespace", elsewhere) for part in made} == {elsewhere}
    arguments = pods(Wanted(trust_anchors=pki.bundle, namespace=elsewhere))[0]["containers"][0]["args"]
    assert arguments[arguments.index("--namespace") + 1] == elsewhere


def test_leaves_and_anchors_are_where_the_processes_look() -> None:
    made = printed()
    secret = made["Secret", "jackstay-gateway-tls"]
    assert WANTED.gateway_tls is not None
    assert base64.b64decode(secret["data"]["tls.crt"]) == WANTED.gateway_tls.certificate
    assert base64.b64decode(secret["data"]["tls.key"]) == WANTED.gateway_tls.key
    assert secret["type"] == "kubernetes.io/tls"
    assert made["ConfigMap", "jackstay-trust-bundle"]["data"]["ca-bundle.crt"] == PKI.anchors_pem.decode()


def test_the_identity_service_reads_its_issuer_by_the_api_and_has_no_key_in_its_pod() -> None:
    made = printed()
    secret = made["Secret", "jackstay-identity-issuer"]
    assert secret["type"] == "kubernetes.io/tls"
    assert base64.b64decode(secret["data"]["tls.key"]) == PKI.issuer.key_pem
    spec = made["Deployment", "jackstay-identity"]["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["replicas"] == 2
    assert [volume["name"] for volume in pod["volumes"]] == ["trust"]
    assert container["args"][:3] == ["identity", "--listen", ":8080"]
    assert "--certificate" not in container["args"]
    (port,) = made["Service", "jackstay-identity"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "identity")
    assert made["Service", "jackstay-identity"]["spec"]["type"] == "ClusterIP"


def test_without_an_issuer_there_is_no_identity_service() -> None:
    names = {name for _, name in printed(replace(WANTED, identity_service=False, issuer=None))}
    assert not [name for name in names if "identity" in name]
    (line,) = missing_secrets(replace(WANTED, issuer=None))
    assert line.startswith("kubectl -n jackstay create secret tls jackstay-identity-issuer --cert")


@pytest.mark.parametrize(
    ("issuer", "sentence"),
    [
        (Pki.make("east.jackstay").issuer, "peers would refuse what it signs"),
        (Pki.make("west.jackstay", constrained=True).issuer, "bound to west.jackstay"),
        (make_issuer("old", PKI.root, now=PKI.now - DAY / 2, lifetime=DAY / 4), "not valid now"),
        (make_issuer("later", PKI.root, now=PKI.now + DAY), "not valid now"),
    ],
    ids=["other anchors", "another trust domain", "expired", "not yet valid"],
)
def test_an_issuer_that_could_not_be_used_is_refused_here(issuer: Authority, sentence: str) -> None:
    with pytest.raises(CliError, match=f"--issuer-certificate and --issuer-key: .*{sentence}"):
        replace(WANTED, issuer=Shown(certificate=issuer.pem, key=issuer.key_pem)).check(PKI.now)


def test_leaves_that_are_not_given_are_asked_for_by_name() -> None:
    from_files = replace(WANTED, identity_service=False, issuer=None, mirror_tls=None)
    (line,) = missing_secrets(from_files)
    command, _, identity = line.partition("    # of ")
    assert command == (
        "kubectl -n jackstay create secret tls jackstay-mirror-tls "
        "--cert jackstay-mirror.crt --key jackstay-mirror.key"
    )
    assert identity == "jackstay-mirror.jackstay.serviceaccount.identity.jackstay.east.jackstay"
    assert list(missing_secrets(replace(from_files, mirror=False))) == []


ISSUED = replace(WANTED, gateway_tls=None, mirror_tls=None)


def test_parts_that_are_issued_a_certificate_have_a_token_for_it_and_no_secret() -> None:
    made = printed(ISSUED)
    assert [name for kind, name in made if kind == "Secret"] == ["jackstay-identity-issuer"]
    assert list(missing_secrets(ISSUED)) == []
    for pod in pods(ISSUED):
        (container,) = pod["containers"]
        if container["name"] == "identity":
            continue
        arguments = container["args"]
        assert not {"--certificate", "--key"} & set(arguments)
        service = arguments[arguments.index("--identity-service") + 1]
        assert service == "jackstay-identity.jackstay.svc:8080"
        assert arguments[arguments.index("--trust-domain") + 1] == "east.jackstay"
        assert arguments[arguments.index("--trust-anchors") + 1] == "/var/run/jackstay/trust/ca-bundle.crt"
        (token,) = [volume for volume in pod["volumes"] if "projected" in volume]
        assert token["projected"]["sources"] == [
            {
                "serviceAccountToken": {
                    "audience": "identity.jackstay.io",
                    "expirationSeconds": 3600,
                    "path": "token",
                }
            }
        ]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == token["name"]]
        # Where the processes look without being told.
        assert f"{mount['mountPath']}/token" == str(IDENTITY_TOKEN)
        assert not [volume for volume in pod["volumes"] if "secret" in volume]


def test_a_part_whose_leaf_is_given_shows_it_beside_one_that_is_issued() -> None:
    made = printed(replace(ISSUED, gateway_tls=WANTED.gateway_tls))
    assert ("Secret", "jackstay-gateway-tls") in made
    gateway, mirror = (
        made["Deployment", name]["spec"]["template"]["spec"]["containers"][0]["args"]
        for name in ("jackstay-gateway", "jackstay-mirror")
    )
    assert "--certificate" in gateway
    assert "--identity-service" not in gateway
    assert "--certificate" not in mirror
    assert "--identity-service" in mirror


def test_the_arguments_of_a_part_are_taken_by_its_command() -> None:
    for wanted in (WANTED, ISSUED):
        for pod in pods(wanted):
            name, *arguments = pod["containers"][0]["args"]
            known = {
                option
                for parameter in load(next(entry for entry in COMMANDS if entry.name == name)).params
                for option in parameter.opts
            }
            assert {argument for argument in arguments if argument.startswith("--")} <= known


@pytest.mark.parametrize(
    ("leaf", "sentence"),
    [
        (PKI.leaf(MIRROR), "it is the certificate of jackstay-mirror.jackstay"),
        (Pki.make("east.jackstay").leaf(GATEWAY), "peers with these --trust-anchors would refuse it"),
        (
            PKI.leaf(GATEWAY, lifetime=timedelta(hours=1), at=PKI.now - timedelta(hours=9)),
            "peers with these --trust-anchors would refuse it",
        ),
    ],
    ids=["of another", "of other anchors", "expired"],
)
def test_a_leaf_that_peers_would_refuse_is_refused_here(leaf: Issued, sentence: str) -> None:
    with pytest.raises(CliError, match=sentence):
        replace(WANTED, gateway_tls=shown(leaf)).check(PKI.now)
    WANTED.check(PKI.now)


def test_a_key_of_another_certificate_is_refused_here() -> None:
    crossed = Shown(certificate=PKI.leaf(GATEWAY).certificate_pem, key=PKI.leaf(GATEWAY).key_pem)
    with pytest.raises(CliError, match="--gateway-tls: the key does not belong to the certificate"):
        replace(WANTED, gateway_tls=crossed).check(PKI.now)


def jackstay(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments], cwd=HOUSE, capture_output=True, text=True, timeout=60
    )


def test_the_command_prints_yaml_and_says_what_is_missing(tmp_path: Path) -> None:
    files = PKI.leaf(GATEWAY).write(tmp_path, "gateway")
    options = ("--trust-domain", "east.jackstay", "--trust-anchors", str(files.trust_anchors))
    done = jackstay("install", *options, "--gateway-tls", str(files.certificate), str(files.key))
    assert done.returncode == 0
    kinds = [made["kind"] for made in yaml.safe_load_all(done.stdout)]
    assert kinds.count("Deployment") == 2
    assert "create secret tls jackstay-mirror-tls" in done.stderr
    assert "jackstay-gateway-tls" not in done.stderr


def test_the_command_prints_the_identity_service_with_its_issuer(tmp_path: Path) -> None:
    files = PKI.leaf(GATEWAY).write(tmp_path, "gateway")
    (tmp_path / "issuer.crt").write_bytes(PKI.issuer.pem)
    (tmp_path / "issuer.key").write_bytes(PKI.issuer.key_pem)
    options = ("--trust-domain", "east.jackstay", "--trust-anchors", str(files.trust_anchors))
    issuer = ("--issuer-certificate", str(tmp_path / "issuer.crt"))
    done = jackstay("install", *options, *issuer, "--issuer-key", str(tmp_path / "issuer.key"))
    assert done.returncode == 0
    names = [made["metadata"]["name"] for made in yaml.safe_load_all(done.stdout)]
    assert names.count("jackstay-identity") == 7
    alone = jackstay("install", *options, *issuer)
    assert (alone.returncode, "go together" in alone.stderr) == (1, True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    files = PKI.leaf(GATEWAY).write(tmp_path, "gateway")
    missing = str(tmp_path / "none.key")
    done = jackstay(
        *("install", "--trust-anchors", str(files.trust_anchors)),
        *("--gateway-tls", str(files.certificate), missing),
    )
    assert (done.returncode, done.stderr) == (1, f"jackstay: {missing}: No such file or directory\n")


def test_crds_are_printed_alone_too() -> None:
    done = jackstay("crds")
    names = [made["metadata"]["name"] for made in yaml.safe_load_all(done.stdout)]
    assert names == ["links.multicluster.linkerd.io", "trafficsplits.split.smi-spec.io"]
