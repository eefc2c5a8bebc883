"""Tokens from the exec plugin of an operator's own kubeconfig, run by the library."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kubernetes_asyncio.config.config_exception import ConfigException
from kubernetes_asyncio.config.exec_provider import ExecProvider
from kubernetes_asyncio.config.kube_config import ConfigNode

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

    async def token(self) -> str:
        """Raises ValueError when the plugin cannot be run, fails, or gives no token."""
        if self._token is None or (self._expires is not None and self._now() >= self._expires):
            try:
                async with asyncio.timeout(PATIENCE):
                    status = Fields.of(await ExecProvider(ConfigNode("exec", dict(self._plugin))).run())
                self._token = status.required("token")
                expires = status.time("expirationTimestamp")
            except (ConfigException, Malformed, OSError) as error:
                raise ValueError(f"the exec plugin {self._plugin.get('command')}: {error}") from error
            self._expires = expires - timedelta(seconds=30) if expires else None
        return self._token

    def refused(self) -> None:
        self._token = None
