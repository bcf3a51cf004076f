"""`homeward sim run --acts`: what is wrong with a file of acts is said before anything is started."""

from pathlib import Path

from tests.tools.commands import homeward, short_scenario


def test_an_act_that_makes_no_sense_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    scenario = short_scenario(tmp_path / "one.yaml", name="one")
    (tmp_path / "acts.yaml").write_text('acts:\n- {at: "2026-06-01T09:00:00+01:00", what: strap_cutt, wearer: rowan}\n')
    done = homeward("sim", "run", scenario, "--headless", "--acts", "acts.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert "acts.yaml:2: acts[0].what: got 'strap_cutt', expected one of strap_cut" in done.stderr.replace("\n", " ")
    assert not (tmp_path / "run").exists()
