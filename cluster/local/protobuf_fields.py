"""The field numbers of the messages that `protobuf` reads, from Kubernetes' generated.proto."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Form(Enum):
    """How a field's value becomes JSON. Go sends empty values too, where absence cannot be told."""

    TEXT = auto()
    NUMBER = auto()
    COUNT = auto()
    """A number of which 0 says something."""

    FLAG = auto()
    CHOICE = auto()
    """A flag of which false says something."""

    TEXTS = auto()
    MAP = auto()
    BYTES_MAP = auto()
    NUMBER_OR_TEXT = auto()
    OURS = auto()
    """What the server sets, whatever is sent."""


Fields = Mapping[int, "tuple[str, Form | Message]"]


@dataclass(frozen=True, slots=True)
class Message:
    fields: Fields
    many: bool = False


def _many(message: Message) -> Message:
    return Message(message.fields, many=True)


_OWNER = Message(
    {
        1: ("kind", Form.TEXT),
        3: ("name", Form.TEXT),
        4: ("uid", Form.TEXT),
        5: ("apiVersion", Form.TEXT),
        6: ("controller", Form.CHOICE),
        7: ("blockOwnerDeletion", Form.CHOICE),
    }
)
_METADATA = Message(
    {
        1: ("name", Form.TEXT),
        2: ("generateName", Form.TEXT),
        3: ("namespace", Form.TEXT),
        4: ("selfLink", Form.OURS),
        5: ("uid", Form.TEXT),
        6: ("resourceVersion", Form.TEXT),
        7: ("generation", Form.OURS),
        8: ("creationTimestamp", Form.OURS),
        9: ("deletionTimestamp", Form.OURS),
        10: ("deletionGracePeriodSeconds", Form.OURS),
        11: ("labels", Form.MAP),
        12: ("annotations", Form.MAP),
        13: ("ownerReferences", _many(_OWNER)),
        14: ("finalizers", Form.TEXTS),
        17: ("managedFields", Form.OURS),
    }
)
_SERVICE_PORT = Message(
    {
        1: ("name", Form.TEXT),
        2: ("protocol", Form.TEXT),
        3: ("port", Form.NUMBER),
        4: ("targetPort", Form.NUMBER_OR_TEXT),
        5: ("nodePort", Form.NUMBER),
        6: ("appProtocol", Form.TEXT),
    }
)
_SERVICE_SPEC = Message(
    {
        1: ("ports", _many(_SERVICE_PORT)),
        2: ("selector", Form.MAP),
        3: ("clusterIP", Form.TEXT),
        4: ("type", Form.TEXT),
        5: ("externalIPs", Form.TEXTS),
        7: ("sessionAffinity", Form.TEXT),
        8: ("loadBalancerIP", Form.TEXT),
        9: ("loadBalancerSourceRanges", Form.TEXTS),
        10: ("externalName", Form.TEXT),
        11: ("externalTrafficPolicy", Form.TEXT),
        12: ("healthCheckNodePort", Form.NUMBER),
        13: ("publishNotReadyAddresses", Form.FLAG),
        17: ("ipFamilyPolicy", Form.TEXT),
        18: ("clusterIPs", Form.TEXTS),
        19: ("ipFamilies", Form.TEXTS),
        20: ("allocateLoadBalancerNodePorts", Form.CHOICE),
        21: ("loadBalancerClass", Form.TEXT),
        22: ("internalTrafficPolicy", Form.TEXT),
        23: ("trafficDistribution", Form.TEXT),
    }
)
_CONTAINER = Message(
    {
        1: ("name", Form.TEXT),
        2: ("image", Form.TEXT),
        3: ("command", Form.TEXTS),
        4: ("args", Form.TEXTS),
        5: ("workingDir", Form.TEXT),
        6: (
            "ports",
            _many(
                Message(
                    {
                        1: ("name", Form.TEXT),
                        2: ("hostPort", Form.NUMBER),
                        3: ("containerPort", Form.NUMBER),
                        4: ("protocol", Form.TEXT),
                        5: ("hostIP", Form.TEXT),
                    }
                )
            ),
        ),
        7: ("env", _many(Message({1: ("name", Form.TEXT), 2: ("value", Form.TEXT)}))),
        13: ("terminationMessagePath", Form.TEXT),
        14: ("imagePullPolicy", Form.TEXT),
        16: ("stdin", Form.FLAG),
        17: ("stdinOnce", Form.FLAG),
        18: ("tty", Form.FLAG),
        20: ("terminationMessagePolicy", Form.TEXT),
    }
)
_POD_SPEC = Message(
    {
        2: ("containers", _many(_CONTAINER)),
        3: ("restartPolicy", Form.TEXT),
        4: ("terminationGracePeriodSeconds", Form.COUNT),
        6: ("dnsPolicy", Form.TEXT),
        7: ("nodeSelector", Form.MAP),
        8: ("serviceAccountName", Form.TEXT),
        9: ("serviceAccount", Form.TEXT),
        10: ("nodeName", Form.TEXT),
        11: ("hostNetwork", Form.FLAG),
        12: ("hostPID", Form.FLAG),
        13: ("hostIPC", Form.FLAG),
        16: ("hostname", Form.TEXT),
        17: ("subdomain", Form.TEXT),
        19: ("schedulerName", Form.TEXT),
        20: ("initContainers", _many(_CONTAINER)),
        21: ("automountServiceAccountToken", Form.CHOICE),
    }
)
_DEPLOYMENT_SPEC = Message(
    {
        1: ("replicas", Form.COUNT),
        2: ("selector", Message({1: ("matchLabels", Form.MAP)})),
        3: ("template", Message({1: ("metadata", _METADATA), 2: ("spec", _POD_SPEC)})),
        4: ("strategy", Message({1: ("type", Form.TEXT)})),
        5: ("minReadySeconds", Form.NUMBER),
        6: ("revisionHistoryLimit", Form.COUNT),
        7: ("paused", Form.FLAG),
        9: ("progressDeadlineSeconds", Form.COUNT),
    }
)


def _object(rest: Fields) -> Message:
    return Message({1: ("metadata", _METADATA), **rest})


OBJECTS: Mapping[str, Message] = {
    "Namespace": _object({2: ("spec", Message({1: ("finalizers", Form.TEXTS)})), 3: ("status", Form.OURS)}),
    "Service": _object({2: ("spec", _SERVICE_SPEC), 3: ("status", Form.OURS)}),
    "ServiceAccount": _object(
        {
            3: ("imagePullSecrets", _many(Message({1: ("name", Form.TEXT)}))),
            4: ("automountServiceAccountToken", Form.CHOICE),
        }
    ),
    "ConfigMap": _object(
        {2: ("data", Form.MAP), 3: ("binaryData", Form.BYTES_MAP), 4: ("immutable", Form.CHOICE)}
    ),
    "Secret": _object(
        {
            2: ("data", Form.BYTES_MAP),
            3: ("type", Form.TEXT),
            4: ("stringData", Form.MAP),
            5: ("immutable", Form.CHOICE),
        }
    ),
    "Deployment": _object({2: ("spec", _DEPLOYMENT_SPEC), 3: ("status", Form.OURS)}),
    "TokenRequest": _object(
        {
            2: (
                "spec",
                Message(
                    {
                        1: ("audiences", Form.TEXTS),
                        3: ("boundObjectRef", Message({1: ("kind", Form.TEXT), 3: ("name", Form.TEXT)})),
                        4: ("expirationSeconds", Form.COUNT),
                    }
                ),
            ),
            3: ("status", Form.OURS),
        }
    ),
}
