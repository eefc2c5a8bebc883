"""The three commands against clusters: what is printed is applied, and each step waits for the one before."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

from certs import anchors
from certs.authority import make_root
from certs.trust_bundle import TrustBundle
from cli.errors import CliError
from cli.install.parts import BUNDLE_KEY
from cli.rotation import asked
from cli.rotation.manifests import config_map
from cli.rotation.printed import file_name
from cli.rotation.seen import Place
from cluster.kinds import CONFIG_MAP
from process.address import Address
from tests.certs.test_foreign_chains import openssl
from tests.cli.rotation.site import Site, clusters
from tests.cli.test_certs import run
from tests.support.pki import Pki

NEW = Pki.make()
OLD = Pki.make(now=NEW.now - timedelta(hours=9))
BOTH = anchors.of((OLD.root.certificate, NEW.root.certificate))
OLD_FP, NEW_FP = anchors.fingerprint(OLD.root.certificate), anchors.fingerprint(NEW.root.certificate)
GATEWAY = "jackstay-gateway.jackstay"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
CONTEXTS = ("--context", "east", "--context", "west")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "old.crt").write_bytes(OLD.anchors_pem)
    (tmp_path / "new.crt").write_bytes(NEW.anchors_pem)
    return tmp_path


async def rotate(*arguments: object) -> Result:
    """In a thread, since the clusters are served by this loop."""
    return await asyncio.to_thread(run, "rotate", *arguments)


def reachable(monkeypatch: pytest.MonkeyPatch, directory: Path, *sites: Site) -> None:
    paths = []
    for site in sites:
        path = directory / f"{site.server.name}.kubeconfig"
        path.write_bytes(site.server.kubeconfig)
        paths.append(str(path))
    monkeypatch.setenv("KUBECONFIG", ":".join(paths))


async def apply(directory: Path, *sites: Site) -> None:
    for site in sites:
        for document in yaml.safe_load_all((directory / f"{site.server.name}.yaml").read_text()):
            await site.api.replace(CONFIG_MAP, document)


async def test_a_rotation_from_begin_to_finish(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with clusters("east", "west") as (east, west):
        reachable(monkeypatch, files, east, west)
        await east.bundle(OLD.bundle, more="kept")
        await east.bundle(OLD.bundle, "test")
        await west.bundle(OLD.bundle)
        await east.issuer(OLD.issuer)
        ends = [
            await site.runs(f"gateway-{number}", OLD.leaf(GATEWAY), OLD.bundle)
            for site in (east, west)
            for number in range(2)
        ]
        new = ("--new-anchor", files / "new.crt")
        old = ("--old-anchor", files / "old.crt")
        with pytest.raises(CliError, match="nobody holds another anchor"):
            await rotate("finish", *old, *CONTEXTS)

        with pytest.raises(CliError, match="of 2 clusters cannot be applied together"):
            await rotate("begin", *new, *CONTEXTS)
        begun = await rotate("begin", *new, *CONTEXTS, "--directory", files / "begin")
        assert begun.stdout == ""
        assert f"kubectl --context west apply -f {files / 'begin' / 'west.yaml'}" in begun.stderr
        await apply(files / "begin", east, west)
        for namespace in ("jackstay", "test"):
            kept = await east.api.get(CONFIG_MAP, namespace, "jackstay-trust-bundle")
            assert TrustBundle.from_pem(kept["data"][BUNDLE_KEY].encode()) == BOTH
            assert kept["metadata"]["labels"] == {"app.kubernetes.io/name": "jackstay"}
        assert (await east.api.get(CONFIG_MAP, "jackstay", "jackstay-trust-bundle"))["data"]["more"] == "kept"
        with pytest.raises(CliError, match="already, everywhere"):
            await rotate("begin", *new, *CONTEXTS)

        shown = await rotate("status", *CONTEXTS)
        assert shown.exit_code == 1
        assert shown.output.count("not taken over yet") == 4, shown.output
        with pytest.raises(CliError, match=f"gateway-0 does not hold anchor {NEW_FP[:12]} yet"):
            await rotate("finish", *old, *CONTEXTS)

        for end in ends:
            end.uses(OLD.leaf(GATEWAY), BOTH)
        assert (await rotate("status", *CONTEXTS)).exit_code == 1
        for end in ends[1:]:
            end.uses(NEW.leaf(GATEWAY), BOTH)
        with pytest.raises(CliError) as needed:
            await rotate("finish", *old, *CONTEXTS)
        assert [line.strip() for line in str(needed.value).splitlines()[1:]] == [
            "east: jackstay/gateway-0 has a leaf under the old anchor",
            "east: Secret jackstay/jackstay-identity-issuer is under the old anchor",
        ]
        ends[0].uses(NEW.leaf(GATEWAY), BOTH)
        await east.issuer(NEW.issuer)
        complete = json.loads((await rotate("status", *CONTEXTS, "-o", "json")).output)
        assert (complete["complete"], complete["newestAnchor"]) == (True, NEW_FP)

        ready = (await rotate("status", *CONTEXTS)).stdout.splitlines()[-1]
        assert ready.endswith(f"rotate finish --old-anchor {OLD_FP[:12]} --context east --context west")
        finishing = await rotate("finish", *old, *CONTEXTS, "--directory", files / "finish")
        again = f"rotate finish --old-anchor {OLD_FP[:16]} --context east --context west\n"
        assert again in finishing.stderr
        await apply(files / "finish", east, west)
        with pytest.raises(CliError, match="still in use by") as waiting:
            await rotate("finish", "--old-anchor", OLD_FP[:10], *CONTEXTS)
        assert str(waiting.value).count("gateway-") == 4
        for end in ends:
            end.uses(NEW.leaf(GATEWAY), NEW.bundle)
        told = (await rotate("finish", *old, *CONTEXTS)).stderr
        assert "Asked: 4 processes of east, west. Nobody else was.\n" in told
        assert "finished" in told
        assert (await rotate("status", *CONTEXTS)).exit_code == 0


async def test_one_context_is_printed_as_manifests_for_kubectl(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with clusters("east") as (east,):
        reachable(monkeypatch, files, east)
        await east.bundle(OLD.bundle)
        printed = (await rotate("begin", "--new-anchor", files / "new.crt")).stdout
        assert printed.startswith("# context east\n---\n")
        (document,) = yaml.safe_load_all(printed)
        assert TrustBundle.from_pem(document["data"][BUNDLE_KEY].encode()) == BOTH
        as_json = json.loads((await rotate("begin", "--new-anchor", files / "new.crt", "-o", "json")).stdout)
        assert as_json == document


async def test_nothing_is_printed_as_long_as_a_cluster_or_a_bundle_cannot_be_read(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with clusters("east", "west") as (east, west):
        reachable(monkeypatch, files, east, west)
        new = ("--new-anchor", files / "new.crt")
        with pytest.raises(CliError, match="no ConfigMap jackstay-trust-bundle"):
            await rotate("begin", *new, *CONTEXTS)
        await east.bundle(OLD.bundle)
        with pytest.raises(CliError, match="west: there is no ConfigMap jackstay-trust-bundle"):
            await rotate("begin", *new, *CONTEXTS)
        await west.make(CONFIG_MAP, "jackstay-trust-bundle", "jackstay", data={BUNDLE_KEY: "damaged"})
        with pytest.raises(CliError, match="west: ConfigMap jackstay/jackstay-trust-bundle is no bundle"):
            await rotate("begin", *new, *CONTEXTS)
    with pytest.raises(CliError, match="cannot be reached: Connection refused"):
        await rotate("begin", *new, *CONTEXTS)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("leaf", "not an authority"),
        ("issuer", "no trust anchor"),
        ("expired", "is not valid now"),
        ("weak", "RSA 1024"),
        ("same", "already, everywhere"),
        ("two", "holds 2 trust anchors"),
        ("missing", "No such file"),
    ],
)
async def test_an_anchor_that_cannot_be_one_is_refused(files: Path, make: str, said: str) -> None:
    bad = files / "bad.crt"
    match make:
        case "leaf":
            bad.write_bytes(NEW.leaf(GATEWAY).certificate_pem)
        case "issuer":
            bad.write_bytes(NEW.issuer.pem)
        case "expired":
            then = NEW.now - timedelta(days=9)
            bad.write_bytes(make_root("over", now=then, lifetime=timedelta(days=1)).pem)
        case "weak":
            openssl(
                files, "req -x509 -newkey rsa:1024 -nodes -keyout w.key -out bad.crt -days 30 -subj /CN=w"
            )
        case "same":
            bad.write_bytes(OLD.anchors_pem)
        case "two":
            bad.write_bytes(BOTH.pem)
    with pytest.raises(CliError, match=said):
        await rotate("begin", "--new-anchor", bad, "--trust-anchors", files / "old.crt")


async def test_files_are_rotated_without_any_cluster(files: Path) -> None:
    new = ("--new-anchor", files / "new.crt", "--trust-anchors", files / "old.crt")
    begun = await rotate("begin", *new, "-o", "pem")
    assert TrustBundle.from_pem(begun.stdout.encode()) == BOTH
    assert "certs rotate status --admin HOST:PORT\n" in begun.stderr
    (document,) = yaml.safe_load_all((await rotate("begin", *new, "-n", "here")).stdout)
    assert document["metadata"]["namespace"] == "here"

    (files / "both.crt").write_bytes(BOTH.pem)
    given = ("--old-anchor", OLD_FP, "--trust-anchors", files / "both.crt", "-o", "pem")
    with pytest.raises(CliError, match="nobody was asked"):
        await rotate("finish", *given)
    async with clusters("east") as (east,):
        running = await east.runs("gateway-0", OLD.leaf(GATEWAY), BOTH)
        admin = ("--admin", running.address)
        with pytest.raises(CliError, match="has a leaf under the old anchor"):
            await rotate("finish", *given, *admin)
        running.uses(NEW.leaf(GATEWAY), BOTH)
        printed = (await rotate("finish", *given, *admin)).stdout
        assert TrustBundle.from_pem(printed.encode()) == NEW.bundle
        with pytest.raises(CliError, match="does not answer"):
            await rotate("finish", *given, *admin, "--admin", "127.0.0.1:1")


async def test_an_anchor_that_nobody_holds_cannot_be_finished(files: Path) -> None:
    third = Pki.make()
    async with clusters("east") as (east,):
        running = await east.runs("gateway-0", NEW.leaf(GATEWAY), BOTH)
        with pytest.raises(CliError, match="no file of one of these"):
            await rotate(
                "finish",
                "--old-anchor",
                anchors.fingerprint(third.root.certificate),
                "--admin",
                running.address,
            )


async def test_a_new_anchor_that_is_older_is_warned_of(files: Path) -> None:
    done = await rotate(
        "begin", "--new-anchor", files / "old.crt", "--trust-anchors", files / "new.crt", "-o", "pem"
    )
    assert TrustBundle.from_pem(done.stdout.encode()).digest == BOTH.digest
    assert "made before one of the present anchors" in done.stderr


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ("east", "east"),
        ("kubernetes-admin@east.example", "kubernetes-admin@east.example"),
        ("arn:aws:eks:eu-west-1:1:cluster/east", "arn_aws_eks_eu-west-1_1_cluster_east"),
        ("../east", "_east"),
        ("/etc/east", "_etc_east"),
        ("", "files"),
    ],
)
def test_a_context_of_any_name_has_a_file_in_the_directory(context: str, name: str) -> None:
    assert file_name(context) == name


def test_the_next_step_is_spelled_for_the_same_clusters_and_processes() -> None:
    spelled = asked.command("status", Path("my config"), ["a/b", "c"], [Address("127.0.0.1", 9990)])
    assert spelled == (
        "jackstay certs rotate status --kubeconfig 'my config' "
        "--context a/b --context c --admin 127.0.0.1:9990"
    )


def test_whatever_else_is_in_a_config_map_stays_in_it() -> None:
    raw = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d", LAST_APPLIED: "{}"}, "uid": "1"},
        "data": {"more": "kept", BUNDLE_KEY: "old"},
        "binaryData": {"blob": "AAEC"},
    }
    made = config_map(Place("east", "here", OLD.bundle, raw=raw), BOTH)
    assert made["metadata"] == {
        "name": "jackstay-trust-bundle",
        "namespace": "here",
        "labels": {"a": "b"},
        "annotations": {"c": "d"},
    }
    assert made["data"] == {"more": "kept", BUNDLE_KEY: BOTH.pem.decode()}
    assert made["binaryData"] == {"blob": "AAEC"}
