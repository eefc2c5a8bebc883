"""Keeping a Link's token young: the next one is asked for, tried, and only then written into the Secret."""

import asyncio
import base64
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NoReturn

import structlog

from cluster.access import Access
from cluster.client import Cluster
from cluster.errors import ClusterError, Forbidden
from cluster.kinds import SECRET
from cluster.objects import Key, Secret
from mirror import token
from mirror.credentials import KUBECONFIG
from mirror.token import Lifetime
from process.backoff import Backoff

log = structlog.get_logger()

LOOK = 30.0
"""Seconds between two looks at the clock, which people and machines set."""

_BACKOFF = Backoff(first=5.0, most=300.0)


class NotRenewed(Exception):
    """The Secret is not the one we know, or holds its token in a form that we cannot exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """
    Renews the token of *access*, which is that of the Secret *secret* in our cluster, while `run` does.

    What comes of it is seen where every change of a Secret is seen: by the watch.
    """

    access: Access
    secret: Key
    secrets: Callable[[], Mapping[Key, Secret]]
    """Ours, as they are now."""
    home: Cluster
    may_write: Callable[[], bool]
    told: Callable[[str], None] = lambda because: None
    """Told why the token had to be kept; "" once it has been renewed after that."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    chance: Callable[[], float] = random.random
    look: float = LOOK

    @property
    def lifetime(self) -> Lifetime | None:
        """None where there is nothing to renew: a client certificate, or a token without an end."""
        return token.lifetime(self.access.token) if self.access.token else None

    async def run(self) -> NoReturn:
        """Until cancelled, which a new Secret is the occasion for."""
        failures = 0
        while True:
            lifetime = self.lifetime
            if lifetime is None:
                await asyncio.Event().wait()
                raise AssertionError("nobody sets that event")
            pause = self.look
            if self.now() >= lifetime.renewed_at and self.may_write():
                try:
                    await self._renew(lifetime)
                    if failures:
                        self.told("")
                    failures = 0
                except (ClusterError, NotRenewed) as error:
                    pause = _BACKOFF.delay(failures, self.chance())
                    failures += 1
                    log.warning(
                        "token.kept",
                        secret=str(self.secret),
                        because=str(error),
                        ends=f"{lifetime.ends:%Y-%m-%dT%H:%M:%SZ}",
                    )
                    self.told(str(error))
            await asyncio.sleep(pause)

    async def _renew(self, old: Lifetime) -> None:
        """Raises ClusterError and NotRenewed; the old token stays then, and may be tried again."""
        async with Cluster(self.access) as remote:
            fresh = await remote.create_token(
                old.namespace, old.service_account, seconds=int(token.LONGEST.total_seconds())
            )
        async with Cluster(replace(self.access, token=fresh.token)) as tried:
            with suppress(Forbidden):  # who may not ask that is known all the same
                await tried.uid()  # Unauthorized if it is not taken
        secret = self.secrets().get(self.secret)
        if secret is None or self.access.token is None:
            raise NotRenewed("the Secret is gone")
        try:
            kubeconfig = token.exchanged(secret.data.get(KUBECONFIG, b""), self.access.token, fresh.token)
        except ValueError as error:
            raise NotRenewed(str(error)) from error
        await self.home.patch(
            SECRET,
            self.secret.namespace,
            self.secret.name,
            {
                "metadata": {"resourceVersion": secret.metadata.resource_version},
                "data": {KUBECONFIG: base64.b64encode(kubeconfig).decode()},
            },
        )
        log.info(
            "token.renewed",
            secret=str(self.secret),
            account=f"{old.namespace}/{old.service_account}",
            ends=f"{fresh.expires:%Y-%m-%dT%H:%M:%SZ}",
        )
