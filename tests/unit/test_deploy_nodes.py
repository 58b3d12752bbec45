"""The files for many nodes (compose and Kubernetes), as far as they can be judged without an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from campaigns.nodes import node_name, shown_name
from campana.cli.main import app
from campana.settings import Settings, WebSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.nodes.yaml").read_text(encoding="utf-8"))
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
GUIDE = (ROOT / "docs" / "how-to" / "run-many-nodes.md").read_text(encoding="utf-8")
#: What a user writes before the first start.
USERS_OWN = {"./campana.toml", "./files", "postgres.env"}


def _pods() -> dict[str, dict[str, Any]]:
    """The pod of each workload, by the workload's kind and name."""
    kinds = {"StatefulSet", "Deployment", "Job"}
    return {f"{o['kind']} {o['metadata']['name']}": o["spec"]["template"] for o in OBJECTS if o["kind"] in kinds}


def _object(kind: str, name: str) -> dict[str, Any]:
    (found,) = [o for o in OBJECTS if o["kind"] == kind and o["metadata"]["name"] == name]
    return found


def _our_commands() -> list[list[str]]:
    composed = [service["command"] for service in COMPOSE["services"].values() if "command" in service]
    return composed + [pod["spec"]["containers"][0]["args"] for pod in _pods().values()]


def test_every_command_exists() -> None:
    commands = _our_commands()
    assert len(commands) == 6
    for words in commands:
        assert words[0] == "--config"
        command: Any = get_command(app)
        for word in [word for word in words[2:] if not word.startswith("-") and not word.isdecimal()]:
            command = command.commands[word]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words[2:] if word.startswith("--")} <= known
    drain = _pods()["StatefulSet campana-node"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert 'node drain "$CAMPANA_NODE__NAME"' in drain[-1]


def test_commands_in_running_containers_name_the_settings() -> None:
    files = [ROOT / "compose.yaml", *DEPLOY.rglob("*.yaml"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    texts = [file.read_text(encoding="utf-8") for file in files]
    command = re.compile(r"exec [^`|]*?\bcampana (?=campaign |doctor|--config)\S+")
    shown = [found for text in texts for found in command.findall(text)]
    assert shown
    assert [found for found in shown if not found.endswith("campana --config")] == []


def test_compose_mounts_and_waits_for_what_is_there() -> None:
    services = COMPOSE["services"]
    volumes = [v.split(":")[0] for service in services.values() for v in service.get("volumes", [])]
    assert {v for v in volumes if not v.startswith("./")} == set(COMPOSE["volumes"])
    assert {v for v in volumes if v.startswith("./")} | {services["node"]["env_file"]} == USERS_OWN
    for service in services.values():
        for other, how in service.get("depends_on", {}).items():
            healthy = how["condition"] == "service_healthy"
            assert ("healthcheck" in services[other]) if healthy else ("restart" not in services[other])
    ports = {service["command"][-1] for name, service in services.items() if name == "node"}
    assert ports == {"0"}, "several nodes on one network cannot have one port"


@pytest.mark.parametrize("pod", sorted(_pods()))
def test_pods_mount_volumes_that_exist_and_are_not_root(pod: str) -> None:
    spec = _pods()[pod]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert {mount["name"] for mount in spec["containers"][0]["volumeMounts"]} == set(volumes)
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None:
            assert _object("PersistentVolumeClaim", claim)["spec"]["accessModes"] == ["ReadWriteMany"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {spec['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_workloads_select_their_own_pods() -> None:
    for kind, name in (("StatefulSet", "campana-node"), ("Deployment", "campana-dashboard")):
        found = _object(kind, name)["spec"]
        assert found["selector"]["matchLabels"] == found["template"]["metadata"]["labels"]
    assert (
        _object("Service", _object("StatefulSet", "campana-node")["spec"]["serviceName"])["spec"]["clusterIP"] == "None"
    )


def test_a_node_is_known_by_its_pod_probed_and_given_time_to_drain() -> None:
    spec = _pods()["StatefulSet campana-node"]["spec"]
    container = spec["containers"][0]
    names = {entry["name"] for entry in container["env"]}
    assert names == {"CAMPANA_DATABASE_URL", "CAMPANA_NODE__NAME"}
    for name in names:
        field: Any = Settings
        for part in name.removeprefix("CAMPANA_").lower().split("__"):
            field = field.model_fields[part].annotation
    web = WebSettings()
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f"http://{web.host}:{web.port}/healthz" in container[probe]["exec"]["command"][-1]
    assert spec["terminationGracePeriodSeconds"] >= 600
    # Cut short, two pods would have one name.
    assert shown_name(node_name("campana-node-99")) == "campana-node-99"


def test_the_secrets_are_those_that_the_guide_has_made() -> None:
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    asked = {v["secret"]["secretName"] for pod in _pods().values() for v in pod["spec"]["volumes"] if "secret" in v}
    asked |= {
        entry["valueFrom"]["secretKeyRef"]["name"]
        for pod in _pods().values()
        for entry in pod["spec"]["containers"][0].get("env", [])
        if "secretKeyRef" in entry["valueFrom"]
    }
    for secret in asked:
        assert f"create secret generic {secret}" in text
        assert secret in GUIDE
    for user_file in ("campana.toml", "postgres.env"):
        assert user_file in GUIDE
