from dataclasses import replace
from pathlib import Path

from cluster.access import Access

ACCESS = Access("https://192.0.2.1:6443", b"ca", token="secret-token", name="east")


def test_secrets_are_not_in_the_repr() -> None:
    access = replace(
        ACCESS, client_key=b"secret-key", client_certificate=b"c", exec_plugin={"env": "secret-env"}
    )
    assert "secret" not in repr(access)
    assert str(access) == "east"


def test_the_fingerprint_is_of_server_and_credentials() -> None:
    others = [
        replace(ACCESS, server="https://192.0.2.2:6443"),
        replace(ACCESS, ca_data=b"other"),
        replace(ACCESS, token="other"),
        replace(ACCESS, token_file=Path("/token")),
        replace(ACCESS, client_certificate=b"certificate"),
        replace(ACCESS, client_key=b"key"),
        replace(ACCESS, tls_server_name="api.test"),
        replace(ACCESS, exec_plugin={"command": "x"}),
        replace(ACCESS, ca_data=b"c", token="asecret-token"),
    ]
    assert len({access.fingerprint for access in [ACCESS, *others]}) == len(others) + 1
    assert replace(ACCESS, name="other", namespace="other").fingerprint == ACCESS.fingerprint
    assert "secret" not in ACCESS.fingerprint
