"""The files that start a cluster say the same as the package, and hang together."""

from __future__ import annotations

import re
from typing import Any

import pytest
from running import ROOT

yaml = pytest.importorskip("yaml")

IMAGE = "openfaceplus-cluster"


@pytest.fixture
def kinds() -> dict[str, Any]:
    """The objects of the manifest by their kind."""
    text = (ROOT / "deploy/kuberay.yaml").read_text()
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_kubernetes_is_given_the_ray_that_is_tested(kinds):
    made = kinds["RayCluster"]
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert made["apiVersion"] == "ray.io/v1"
    assert pinned and made["spec"]["rayVersion"] == pinned[1]


def test_every_pod_can_work_and_sees_the_same_files(kinds):
    spec, claim = kinds["RayCluster"]["spec"], kinds["PersistentVolumeClaim"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert len(groups) == 2
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == IMAGE
        # Ray takes its processors and memory from the limits.
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert container["livenessProbe"] == container["readinessProbe"]
        assert "raylet" in container["livenessProbe"]["exec"]["command"][-1]
        volumes = {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in pod["volumes"]}
        mounts = {one["mountPath"]: volumes[one["name"]] for one in container["volumeMounts"]}
        assert mounts == {"/data": claim["metadata"]["name"]}
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]


def test_nobody_else_reaches_the_pods(kinds):
    assert kinds["RayCluster"]["spec"]["authOptions"] == {"mode": "token"}
    policy, spec = kinds["NetworkPolicy"]["spec"], kinds["RayCluster"]["spec"]
    (rule,) = policy["ingress"]
    (source,) = rule["from"]
    labels = policy["podSelector"]["matchLabels"]
    assert source == {"podSelector": {"matchLabels": labels}}
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert labels.items() <= group["template"]["metadata"]["labels"].items()


def test_containers_join_their_head_and_publish_nothing():
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    head, worker = services["head"], services["worker"]
    port = re.search(r"--port=(\d+)", head["command"])
    assert port and f"--address=head:{port[1]}" in worker["command"].split()
    assert worker["depends_on"]["head"]["condition"] == "service_healthy" and head["healthcheck"]
    assert head["image"] == worker["image"] == IMAGE
    assert head["environment"] == worker["environment"]
    assert head["environment"]["RAY_AUTH_MODE"] == "token"
    assert head["volumes"] == worker["volumes"] and head["volumes"][0].endswith(":/data")
    assert "ports" not in head and "ports" not in worker
    assert "ray" in (ROOT / "deploy/Dockerfile").read_text().split("constraints.txt")[1].split()
