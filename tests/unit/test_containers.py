"""The container files, as far as they can be judged without Docker."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from campana.cli.main import app
from campana.settings import AsteriskTrunkSettings, WebSettings, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
#: Files that a user writes before the first start, and the folder for campaign files.
USERS_OWN = {"campana.toml", "files"}
#: Those of the Compose Specification that are used here: a misspelt one is refused by Compose.
SERVICE_KEYS = {
    *("build", "command", "depends_on", "healthcheck", "init", "network_mode", "restart", "stop_grace_period"),
    "volumes",
}


def _instructions(dockerfile: Path) -> list[list[str]]:
    text = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _copied() -> set[str]:
    """What the Dockerfile takes from the repository."""
    lines = [words[1:] for words in _instructions(ROOT / "Dockerfile") if words[0] == "COPY"]
    return {source for words in lines if not words[0].startswith("--from") for source in words[:-1]}


def _mounts() -> list[tuple[str, str]]:
    return [tuple(volume.split(":")[:2]) for service in SERVICES.values() for volume in service.get("volumes", [])]


def test_compose_uses_known_keys_only() -> None:
    assert set(COMPOSE) == {"services", "volumes"}
    for name, service in SERVICES.items():
        assert set(service) <= SERVICE_KEYS, name


def test_what_is_mounted_exists() -> None:
    for source, target in _mounts():
        assert target.startswith("/")
        if source.startswith("./"):
            assert (ROOT / source).exists() or source.removeprefix("./") in USERS_OWN, source
        else:
            assert source in COMPOSE["volumes"]
    used = {source for source, _ in _mounts() if not source.startswith("./")}
    assert used == set(COMPOSE["volumes"])


def test_each_file_of_the_example_is_mounted() -> None:
    mounted = {source for source, _ in _mounts()}
    for file in (ROOT / "examples" / "asterisk").glob("*.conf"):
        assert f"./examples/asterisk/{file.name}" in mounted


def test_services_wait_for_what_can_be_waited_for() -> None:
    for service in SERVICES.values():
        assert (ROOT / service["build"] / "Dockerfile").exists()
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            dockerfile = (ROOT / SERVICES[other]["build"] / "Dockerfile").read_text(encoding="utf-8")
            if condition == "service_healthy":
                assert "HEALTHCHECK" in dockerfile or "healthcheck" in SERVICES[other]
            else:
                assert condition == "service_completed_successfully"
                assert SERVICES[other].get("restart") is None, f"{other} must end"


@pytest.mark.parametrize("name", ["models", "campana"])
def test_commands_of_the_containers_exist(name: str) -> None:
    words = SERVICES[name]["command"]
    assert words[0] == "--config"
    command: Any = get_command(app)
    for word in words[2:]:
        command = command.commands[word]


def test_the_dashboard_is_asked_where_it_listens() -> None:
    web = WebSettings()
    assert f"http://{web.host}:{web.port}/healthz" in SERVICES["campana"]["healthcheck"]["test"][-1]
    assert "/healthz" in (ROOT / "web" / "app.py").read_text(encoding="utf-8")


def test_the_example_settings_fit_the_example_asterisk() -> None:
    folder = ROOT / "examples" / "asterisk"
    (trunk,) = load_settings(folder / "campana.toml").trunks
    assert isinstance(trunk, AsteriskTrunkSettings)
    manager = (folder / "manager.conf").read_text(encoding="utf-8")
    assert f"\n[{trunk.user}]\n" in manager
    assert f"\nport = {trunk.port}\n" in manager
    endpoint = trunk.dial_string.removeprefix("PJSIP/{number}@")
    assert f"\n[{endpoint}]\ntype = endpoint\n" in (folder / "pjsip.conf").read_text(encoding="utf-8")


def test_the_image_holds_every_package_and_reads_the_lock_by_its_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], project["project"]["readme"], "pyproject.toml"}
    needed |= {*project["project"]["license-files"], "requirements.lock"}
    assert needed <= _copied()
    runs = [" ".join(words) for words in _instructions(ROOT / "Dockerfile") if words[0] == "RUN"]
    assert any("--require-hashes -r requirements.lock" in run for run in runs)


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    assert "*" in lines
    for source in _copied():
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), f"{source} is ignored"


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "examples/asterisk/Dockerfile"])
def test_containers_do_not_run_as_root(dockerfile: str) -> None:
    instructions = _instructions(ROOT / dockerfile)
    users = [words[1] for words in instructions if words[0] == "USER"]
    assert users
    assert users[-1] != "root"


def test_the_python_of_the_image_is_one_that_the_project_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    minimum = tuple(int(part) for part in project["requires-python"].removeprefix(">=").split("."))
    images = [words[1] for words in _instructions(ROOT / "Dockerfile") if words[0] == "FROM"]
    assert len(images) == 2
    assert images[0] == images[1], "wheels are built for the Python that runs them"
    version = images[0].removeprefix("python:").split("-")[0]
    assert tuple(int(part) for part in version.split(".")) >= minimum
