"""Tokens from the exec plugin of an operator's own kubeconfig, run by the library."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.reading import Fields, Malformed

PATIENCE = 60.0
"""Seconds: a plugin may open a browser and wait for somebody."""


class ExecToken:
    """The token that a plugin gives, asked for again when it expires or is refused."""

    def __init__(
        self, plugin: Mapping[str, Any], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._plugin = plugin
        self._now = now
        self._token: str | None = None
        self._expires: datetime | None = None
        self._running = asyncio.Lock()  # a plugin may open a browser: once is enough

    async def token(self) -> str:
        """Raises ValueError when the plugin cannot be run, fails, or gives no token."""
        async with self._running:
            if self._token is None or (self._expires is not None and self._now() >= self._expires):
                self._token, self._expires = await _run(self._plugin)
            return self._token

    def refused(self) -> None:
        self._token = None


async def _run(plugin: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """A token, and until when it is to be used. Raises ValueError."""
    # Here, since the library loads its models of all kinds: 40 MB that only an operator's machine can spare.
    from kubernetes_asyncio.config.config_exception import ConfigException
    from kubernetes_asyncio.config.exec_provider import ExecProvider
    from kubernetes_asyncio.config.kube_config import ConfigNode

    try:
        async with asyncio.timeout(PATIENCE):
            status = Fields.of(await ExecProvider(ConfigNode("exec", dict(plugin))).run())
        token, expires = status.required("token"), status.time("expirationTimestamp")
    except (ConfigException, Malformed, OSError) as error:
        raise ValueError(f"the exec plugin {plugin.get('command')}: {error}") from error
    return token, expires - timedelta(seconds=30) if expires else None
