"""The effect of NetworkPolicies, as documented by Kubernetes (concepts/services-networking/network-policies)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "kubernetes.io/metadata.name"
Policy = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """The properties of a pod that policies select it by."""

    namespace: str
    labels: dict[str, str] = field(default_factory=dict)


def may_connect(policies: Iterable[Policy], source: Pod, target: Pod, port: int) -> bool:
    """Return whether a connection is allowed: by any policy on the target, or because the target has none."""
    applicable = [policy for policy in policies if _applies_to(policy, target)]
    rules = [(policy, rule) for policy in applicable for rule in policy["spec"].get("ingress", [])]
    return not applicable or any(_allows(rule, policy, source, port) for policy, rule in rules)


def _applies_to(policy: Policy, pod: Pod) -> bool:
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    return bool(
        policy["metadata"]["namespace"] == pod.namespace and _selects(policy["spec"]["podSelector"], pod.labels)
    )


def _allows(rule: Policy, policy: Policy, source: Pod, port: int) -> bool:
    peers, ports = rule.get("from"), rule.get("ports")
    from_peer = peers is None or any(_is_peer(peer, policy, source) for peer in peers)
    return from_peer and (ports is None or port in [one["port"] for one in ports])


def _is_peer(peer: Policy, policy: Policy, source: Pod) -> bool:
    assert peer.keys() <= {"namespaceSelector", "podSelector"}
    if "namespaceSelector" in peer:
        in_namespace = _selects(peer["namespaceSelector"], {NAMESPACE: source.namespace})
    else:
        in_namespace = source.namespace == policy["metadata"]["namespace"]
    return in_namespace and _selects(peer.get("podSelector", {}), source.labels)


def _selects(selector: Policy, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    expressions = selector.get("matchExpressions", [])
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Policy, labels: dict[str, str]) -> bool:
    match expression["operator"]:
        case "Exists":
            return expression["key"] in labels
        case "In":
            return labels.get(expression["key"]) in expression["values"]
        case other:
            raise NotImplementedError(other)
