"""`local-cluster`: the small Kubernetes API server of the demo and the fast tests, as a process."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import structlog
import typer

from cli.errors import explained
from cli.options import Listen, LogFormat, LogLevel
from cluster.local.journal import Unusable
from cluster.local.server import LocalCluster
from process import run as process
from process.files import write_atomically

log = structlog.get_logger()


def command(
    *,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What the cluster and its context are called.")
    ],
    listen: Listen,
    service_range: Annotated[
        str,
        typer.Option(
            "--service-range", metavar="NETWORK", help="Where Services get addresses: part of 127.0.0.0/8."
        ),
    ],
    kubeconfig: Annotated[
        Path, typer.Option("--kubeconfig", metavar="FILE", help="Where to write how to reach it; mode 0600.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FILE", help="What the state survives in, also kill -9; else it is in memory."
        ),
    ] = None,
    allow_loopback: Annotated[
        bool,
        typer.Option(
            "--allow-loopback", help="Take Endpoints on this machine, which a real cluster refuses."
        ),
    ] = False,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
) -> None:
    r"""
    Serve a small Kubernetes API, for trying things and for tests: objects, watches, tokens, no pods.

    Example:  jackstay local-cluster --name east --listen 127.7.0.1:6443 \
                  --service-range 127.7.0.0/24 --kubeconfig east.yaml --data east.data --allow-loopback

    Then:  kubectl --kubeconfig east.yaml get services -A
    """
    with explained(ValueError):
        cluster = LocalCluster(
            name=name, listen=listen, service_range=service_range, allow_loopback=allow_loopback, data=data
        )

    async def serve(stopping: process.Stopping) -> int:
        async with AsyncExitStack() as running:
            with explained(Unusable, OSError):
                await running.enter_async_context(cluster)
                write_atomically(kubeconfig, cluster.kubeconfig, overwrite=True)
            log.info(
                "local_cluster.ready", name=name, listen=str(cluster.address), kubeconfig=str(kubeconfig)
            )
            await stopping.wait()
        log.info("local_cluster.ended", name=name)
        return 0

    raise typer.Exit(process.run(serve, log_format=log_format, log_level=log_level))
