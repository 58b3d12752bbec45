"""Which process is surely dead, told by real processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from campaigns.nodes import node_name, surely_dead


@pytest.fixture
def child() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True)


def test_a_process_that_runs_is_not_dead_and_one_that_ended_is(child: subprocess.Popen[str]) -> None:
    name = node_name("a-machine-with-a-very-long-name.example.org", child.pid)
    assert not surely_dead(name)
    assert len(name) <= 64
    child.communicate("\n")
    assert surely_dead(name)


def test_a_zombie_is_dead(child: subprocess.Popen[str]) -> None:
    name = node_name("n", child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert surely_dead(name)
    child.communicate()


def test_we_are_alive() -> None:
    assert not surely_dead(node_name("n"))


def test_another_process_with_the_same_id_is_not_the_one_that_died() -> None:
    name, _, _ = node_name("n").rpartition(".")
    assert surely_dead(f"{name}.1")


@pytest.mark.parametrize("name", ["", "plain", "other/12345678.4026531836.1.77", "n/....", "n/x.y.z"])
def test_nothing_is_known_of_processes_elsewhere(name: str) -> None:
    assert not surely_dead(name)


def test_where_the_system_tells_nothing_leases_must_run_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setattr("campaigns.nodes._PROC", tmp_path)
    name = node_name("n", 999_999)
    assert name == "n/.999999.0"
    assert not surely_dead(name)
