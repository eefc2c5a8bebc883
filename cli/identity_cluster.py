"""What the identity service needs of the cluster it issues in: whose a token is, its issuer, its Events."""

import asyncio
import base64
import json
from typing import NoReturn

from certs.current_issuer import CurrentIssuer, Material
from certs.issuer import ACCOUNT
from certs.notices import Notice
from certs.review_queue import Account, ReviewFailed, TokenRefused
from cluster.access import Access
from cluster.client import Cluster, Reviewed
from cluster.errors import ClusterError
from cluster.event_objects import Involved
from cluster.event_recorder import EventRecorder, Happening
from cluster.kinds import SECRET, SERVICE_ACCOUNT
from cluster.objects import Key, Secret
from cluster.watch import Informer

CERTIFICATE_KEY, PRIVATE_KEY_KEY = "tls.crt", "tls.key"


class ClusterReviewer:
    """Asks the cluster's API server whose a token is."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def review(self, token: str, audience: str) -> Account:
        """The service account. Raises TokenRefused or ReviewFailed."""
        try:
            return account_of(await self._cluster.review_token(token, (audience,)), audience)
        except ClusterError as error:
            raise ReviewFailed(str(error)) from error


def account_of(reviewed: Reviewed, audience: str) -> Account:
    """The service account of a token that the cluster has looked at. Raises TokenRefused."""
    if reviewed.error or not reviewed.authenticated:
        raise TokenRefused(
            "the cluster does not accept the token; it may have expired, or be another cluster's"
        )
    # A server that knows no audiences says nothing of them, and then the token may be for anybody.
    if audience not in reviewed.audiences:
        raise TokenRefused(f"the token is not made for audience {audience}")
    match reviewed.username.split(":"):
        case ["system", "serviceaccount", namespace, account] if namespace and account:
            return Account(namespace, account, reviewed.uid)
    raise TokenRefused("the token is not that of a service account")


class ClusterNotices:
    """Makes Events of what the identity service tells, at the service account that it is about."""

    def __init__(self, recorder: EventRecorder, namespace: str, uid: str = "") -> None:
        """What is about nobody is about our own account in *namespace*, whose *uid* may be unknown."""
        self._recorder = recorder
        self._own = Account(namespace, ACCOUNT, uid)

    def tell(self, notice: Notice) -> None:
        namespace, name, uid = notice.account or self._own
        self._recorder.tell(
            Happening(
                Involved.of(SERVICE_ACCOUNT, namespace, name, uid),
                notice.reason,
                notice.message,
                warning=notice.warning,
                kind=notice.kind,
                once=notice.once,
            )
        )


async def follow_secret(cluster: Cluster, namespace: str, name: str, issuer: CurrentIssuer) -> NoReturn:
    """Offer to *issuer* what the Secret *name* holds, now and whenever it has changed. Until cancelled."""
    look, where = asyncio.Event(), f"Secret {namespace}/{name}"
    informer = Informer(
        cluster,
        SECRET,
        Secret.from_dict,
        namespace=namespace,
        field_selector=f"metadata.name={name}",
        changed=look.set,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informer.run(), name=repr(informer))
        while True:
            await look.wait()
            look.clear()
            if informer.snapshot is None:
                if informer.failure is not None:
                    issuer.missing(f"{where} could not be read yet: {informer.failure}")
                continue
            _offer(informer.snapshot.items.get(Key(namespace, name)), where, issuer)


def _offer(secret: Secret | None, where: str, issuer: CurrentIssuer) -> None:
    if secret is None:
        issuer.missing(
            f"there is no {where}; make it of type kubernetes.io/tls, with the issuer's certificate and key"
        )
        return
    absent = [key for key in (CERTIFICATE_KEY, PRIVATE_KEY_KEY) if not secret.data.get(key)]
    if absent:
        issuer.missing(f"{where} has no {' and no '.join(absent)}")
        return
    issuer.offer(Material(secret.data[CERTIFICATE_KEY], secret.data[PRIVATE_KEY_KEY], where))


def own_uid(access: Access, namespace: str) -> str:
    """
    The uid of the service account that we run as, out of our own token; "" if it says none.

    The token is ours, so nobody need vouch for what is in it; and a wrong uid only hides an Event.
    """
    try:
        token = access.token_file.read_text(encoding="ascii") if access.token_file else access.token or ""
        part = token.split(".")[1]
        bound = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["kubernetes.io"]
        uid = bound["serviceaccount"]["uid"]
        ours = (bound["namespace"], bound["serviceaccount"]["name"]) == (namespace, ACCOUNT)
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return uid if ours and isinstance(uid, str) else ""
