"""What people type: a wrong flag is one sentence, and no lake is opened for it."""

from __future__ import annotations

import pytest

from paylake import cli


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["maintain"], "--as-of"),
        (["maintain", "--as-of", "yesterday"], "--as-of"),
        (["maintain", "--as-of", "2026-03-31", "--dryrun"], "--dry-run"),
        (["erase", "cust-0001"], "--why"),
        (["erase", "c", "--why", "ticket 1"], "2 to 64 letters"),
        (["erase", "cust-0001", "--why", "cust-0001 asked"], "may not name the customer"),
    ],
)
def test_a_wrong_setting_is_one_sentence(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert len(error.splitlines()) == 1
