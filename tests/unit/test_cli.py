"""The `paylake` command: its help, its errors and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from paylake import cli
from paylake.cli import COMMANDS, Command, main
from paylake.errors import ControlError, SettingsError


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == shown
    assert all(name in shown and command.help in shown for name, command in COMMANDS.items())
    assert "examples:" in shown


def test_asking_for_help_loads_neither_spark_nor_plots() -> None:
    heavy = "{'pyspark', 'delta', 'pandas', 'matplotlib', 'pyarrow', 'kafka'}"
    code = f"import sys, paylake.cli as c; c.main(['--help']); sys.exit(bool({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["strem"], "paylake: 'strem' is not a command: did you mean stream?\n"),
        (["broker", "strat"], "paylake: 'strat' is not a broker command: did you mean start?\n"),
        (["broker", "start", "--brokers", "0"], "--brokers: 0 is not from 1 to 9; for example --brokers 3."),
        (["broker", "start", "--port", "x"], "--port: 'x' is not a whole number; for example --port 9092."),
        (["broker"], "`paylake broker` needs one more word"),
        (["topics", "create", "--brokr", "h:1"], "--brokr is not a known flag: did you mean --broker?"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_code_2(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1


def test_each_kind_of_end_has_its_exit_code(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def end_with(error: BaseException | None) -> int:
        def run(argv: list[str]) -> int:
            if error is not None:
                raise error
            return 0

        monkeypatch.setattr(cli, "fake", run, raising=False)
        return main(["fake"])

    monkeypatch.setitem(COMMANDS, "fake", Command("", "paylake.cli:fake"))
    assert end_with(None) == 0
    assert end_with(ControlError("USD differs by 0.01.")) == 1
    assert capsys.readouterr().err == "paylake: USD differs by 0.01.\n"
    assert end_with(SettingsError("--x is wrong.")) == 2
    assert end_with(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err.endswith("paylake: interrupted.\n")
    with pytest.raises(ZeroDivisionError):
        end_with(ZeroDivisionError())


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(COMMANDS, "fake", Command("", "pyspark:main"))
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert main(["fake"]) == 2
    assert "pip install 'paylake[local]'" in capsys.readouterr().err


def test_a_key_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "token.key"
    assert main(["key", "create", str(path)]) == 0
    made = path.read_bytes()
    assert main(["key", "create", "--token-key", str(path)]) == 0
    assert capsys.readouterr().out == f"created {path}\nalready there: {path}\n"
    assert path.read_bytes() == made
    assert path.stat().st_mode & 0o077 == 0


def test_a_local_cluster_is_started_used_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ["--data-dir", str(tmp_path / "broker")]
    try:
        assert main(["broker", "start", *folder, "--port", "18092"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[1].startswith("export KAFKA_BOOTSTRAP_SERVERS=")
        monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", shown[1].partition("=")[2])
        assert main(["topics", "create"]) == 0
        assert "created paylake-clock" in capsys.readouterr().out
        assert main(["topics", "create"]) == 0
        assert "already there: paylake-clock" in capsys.readouterr().out
        assert main(["broker", "status", *folder]) == 0
        assert "broker 1: process" in capsys.readouterr().out
    finally:
        assert main(["broker", "stop", *folder]) == 0
    assert main(["broker", "status", *folder]) == 1
