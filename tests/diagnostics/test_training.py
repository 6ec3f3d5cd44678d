"""Diagnosis of a training run: from run folders written by hand, and from one that `train` wrote."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from made_corpus import write_folder_corpus
from made_records import write_run
from made_run import made_run
from moe_mamba_asv.diagnostics.results.finding import Finding
from moe_mamba_asv.diagnostics.training import diagnose_seeds, diagnose_training
from moe_mamba_asv.errors import TrainingError
from moe_mamba_asv.training.stepper import Stepper
from moe_mamba_asv.training.train import train


def _event(step: int, what: str, culprit: str, roll_backs: int, action: str = "skipped") -> dict[str, Any]:
    return {
        "step": step,
        "what": what,
        "culprit": culprit,
        "utterances": ["x"],
        "in_a_row": 1,
        "roll_backs": roll_backs,
        "action": action,
    }


def _finding(findings: Sequence[Finding], measure: str) -> Finding:
    (found,) = [finding for finding in findings if finding.measure == measure]
    return found


HEALTHY = ([0.6, 0.4, 0.3, 0.25, 0.2, 0.18], [0.3, 0.2, 0.12, 0.1, 0.105, 0.095])
#: The best is epoch 2; from epoch 4 on, dev lies 0.04 and more above it.
OVERFITTED = ([0.6, 0.4, 0.3, 0.2, 0.1, 0.05], [0.3, 0.1, 0.115, 0.14, 0.16, 0.19])


def test_a_healthy_run_has_no_fault(tmp_path: Path) -> None:
    result = diagnose_training(write_run(tmp_path / "run", *HEALTHY))
    assert [finding.raised for finding in result.findings] == [False] * 3
    assert result.overfitting_judged
    assert result.overfit_since is None
    assert (result.best_epoch, result.eer_rise) == (6, 0.0)
    assert [epoch.loss for epoch in result.epochs] == HEALTHY[0]
    assert [epoch.step for epoch in result.epochs] == [100, 200, 300, 400, 500, 600]
    assert result.epochs[0].terms == {"cross_entropy": 0.6}
    assert (result.steps, result.skipped_steps, result.facts.ended, result.facts.commit) == (600, 0, None, None)


def test_over_fitting_is_found_and_where_it_began(tmp_path: Path) -> None:
    result = diagnose_training(write_run(tmp_path / "run", *OVERFITTED))
    finding = _finding(result.findings, "held_eer_rise")
    assert finding.raised
    assert finding.value == pytest.approx(0.04)  # the smallest of the last three: 0.14 - 0.1
    assert finding.limit == 0.02
    assert (result.best_epoch, result.overfit_since) == (2, 4)
    assert result.eer_rise == pytest.approx(0.09)


def test_a_rise_while_the_loss_rises_too_is_no_over_fitting(tmp_path: Path) -> None:
    losses = [0.6, 0.4, 0.5, 0.6, 0.7, 0.8]
    result = diagnose_training(write_run(tmp_path / "run", losses, OVERFITTED[1]))
    assert _finding(result.findings, "held_eer_rise").value == 0
    assert result.overfit_since is None
    assert result.eer_rise == pytest.approx(0.09)


def test_a_rise_that_does_not_hold_is_none(tmp_path: Path) -> None:
    eers = [0.3, 0.1, 0.16, 0.16, 0.11, 0.16]
    finding = _finding(diagnose_training(write_run(tmp_path / "run", OVERFITTED[0], eers)).findings, "held_eer_rise")
    assert finding.value == pytest.approx(0.01)
    assert not finding.raised


def test_a_rise_that_few_dev_clips_explain_is_none(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *OVERFITTED, dev_clips=100)
    finding = _finding(diagnose_training(run).findings, "held_eer_rise")
    assert finding.limit == pytest.approx(2 * (0.12 * 0.88 / 100) ** 0.5)
    assert not finding.raised


def test_three_epochs_are_not_judged(tmp_path: Path) -> None:
    result = diagnose_training(write_run(tmp_path / "run", [0.6, 0.3, 0.1], [0.1, 0.3, 0.5]))
    assert not result.overfitting_judged
    assert {finding.fault for finding in result.findings} == {"numeric"}


def test_numbers_that_were_not_finite_are_counted_by_place(tmp_path: Path) -> None:
    events = [
        _event(20, "loss", "frontends.0.bank", 0),
        _event(21, "loss", "frontends.0.bank", 0),
        _event(22, "gradient", "head.weight, the last of 5", 0),
        _event(22, "gradient", "head.weight, the last of 5", 0, "rolled back"),
        _event(22, "gradient", "head.weight, the last of 3", 1),
        _event(100, "weights", "head.weight, the last of 1", 1, "rolled back"),
    ]
    result = diagnose_training(write_run(tmp_path / "run", *HEALTHY, events=events, skipped=4))
    found = {(one.what, one.culprit): one.steps for one in result.non_finite}
    assert found == {
        ("loss", "frontends.0.bank"): (20, 21),
        ("gradient", "head.weight"): (22, 22),
        ("weights", "head.weight"): (100,),
    }
    assert (result.skipped_steps, result.steps, result.roll_backs, result.stopped) == (4, 600, 2, False)
    assert _finding(result.findings, "skipped_share").value == pytest.approx(4 / 600)
    assert _finding(result.findings, "skipped_share").raised
    assert _finding(result.findings, "roll_backs").raised


def test_one_odd_clip_in_many_steps_is_no_fault(tmp_path: Path) -> None:
    losses = [1 / (number + 1) for number in range(20)]
    events = [_event(20, "loss", "the waveforms", 0)]
    run = write_run(tmp_path / "run", losses, losses, events=events, skipped=1)
    assert not any(finding.raised for finding in diagnose_training(run).findings)


def test_a_run_that_gave_up_before_its_first_epoch_is_told(tmp_path: Path) -> None:
    events = [_event(5, "loss", "backend", 0), _event(5, "loss", "backend", 0, "stopped")]
    result = diagnose_training(write_run(tmp_path / "run", [], [], events=events))
    assert result.stopped
    assert result.epochs == ()
    assert result.best_epoch is None
    assert result.non_finite[0].steps == (5,)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no run\.json"):
        diagnose_training(tmp_path)
    with pytest.raises(TrainingError, match=r"no metrics\.csv"):
        diagnose_training(write_run(tmp_path / "young", [], []))
    run = write_run(tmp_path / "other", *HEALTHY)
    (run / "metrics.csv").write_text("step,accuracy\n8,0.5\n")
    with pytest.raises(TrainingError, match="dev_eer"):
        diagnose_training(run)
    (run / "metrics.csv").write_text("step,dev_eer\n8,often\n")
    with pytest.raises(TrainingError, match=r"metrics\.csv"):
        diagnose_training(run)
    (run / "run.json").write_text('{"asked": {"seed": 0}}')
    with pytest.raises(TrainingError, match=r"run\.json"):
        diagnose_training(run)


def test_lines_on_their_way_to_the_disk_are_left_for_later(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", *HEALTHY, events=[_event(1, "loss", "head", 0)])
    for name, torn in (("steps.csv", "601,0."), ("events.jsonl", '{"step": 6')):
        with (run / name).open("a") as file:
            file.write(torn)
    result = diagnose_training(run)
    assert (result.steps, result.skipped_steps) == (601, 1)


def test_shares_of_streams_and_experts_come_in_order(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [], [])
    experts = [f"expert_share_{block}_{expert}" for block in (0, 1) for expert in range(11)]
    names = ["step", "dev_eer", "loss", "l2_sp", "learning_rate_ssl", "stream_share_1", "stream_share_0", *experts]
    values = [8, 0.1, "NaN", 0.01, 1e-5, 0.3, 0.7, *(number / 100 for number in range(22))]
    (run / "metrics.csv").write_text(",".join(names) + "\n" + ",".join(map(str, values)) + "\n")
    (epoch,) = diagnose_training(run).epochs
    assert epoch.loss is None
    assert epoch.terms == {"l2_sp": 0.01}
    assert epoch.learning_rates == {"ssl": 1e-5}
    assert epoch.stream_shares == (0.7, 0.3)
    assert epoch.expert_shares[1] == tuple(number / 100 for number in range(11, 22))


def test_seeds_that_agree_and_seeds_that_do_not(tmp_path: Path) -> None:
    def runs(name: str, *bests: float) -> list[Path]:
        return [
            write_run(tmp_path / name / str(seed), [0.5, 0.4], [best + 0.1, best], seed=seed)
            for seed, best in enumerate(bests)
        ]

    agreed = diagnose_seeds(runs("a", 0.10, 0.12, 0.11))
    assert (agreed.lowest, agreed.highest) == (0.10, 0.12)
    assert agreed.mean == pytest.approx(0.11)
    assert agreed.deviation == pytest.approx(0.01)
    assert [finding.raised for finding in agreed.findings] == [False]
    apart = diagnose_seeds(runs("b", 0.10, 0.16, 0.11)[::-1])
    assert [finding.raised for finding in apart.findings] == [True]
    assert apart.findings[0].value == pytest.approx(0.06)
    assert [run.seed for run in apart.runs] == [0, 1, 2]
    two = diagnose_seeds(runs("c", 0.10, 0.30))
    assert not two.judged
    assert two.findings == ()


def test_runs_that_are_not_of_one_recipe_are_refused(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", *HEALTHY, seed=1)
    with pytest.raises(TrainingError, match="other recipe"):
        diagnose_seeds([first, write_run(tmp_path / "b", *HEALTHY, seed=2, recipe={"name": "other"})])
    with pytest.raises(TrainingError, match="seeds"):
        diagnose_seeds([first, first])
    with pytest.raises(TrainingError, match="1 run folder"):
        diagnose_seeds([first])


def test_roll_backs_that_train_wrote_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, take = [0], Stepper.step

    def step(self: Stepper, number: int, parts: Sequence[Any], **options: Any) -> Any:
        calls[0] += 1
        if calls[0] in {11, 12, 13}:  # the guard's patience is three
            parts[0].waveforms[:] = float("nan")
        return take(self, number, parts, **options)

    monkeypatch.setattr(Stepper, "step", step)
    train(made_run(write_folder_corpus(tmp_path / "corpus"), tmp_path / "run", loggers=()))
    result = diagnose_training(tmp_path / "run")
    (found,) = result.non_finite
    assert (found.culprit, found.steps) == ("the waveforms", (11, 12, 13))
    assert (result.steps, result.skipped_steps, result.roll_backs, result.stopped) == (24 + 3, 3, 1, False)


def test_a_run_that_train_wrote_is_understood(tmp_path: Path) -> None:
    root = write_folder_corpus(tmp_path / "corpus")
    train(made_run(root, tmp_path / "run", seed=7, loggers=()))
    result = diagnose_training(tmp_path / "run")
    assert (result.facts.recipe, result.facts.seed) == ("lcnn-small", 7)
    assert result.facts.ended is not None
    assert len(result.facts.train[0].sha256) == 64
    assert [epoch.step for epoch in result.epochs] == [8, 16, 24]
    assert result.epochs[0].terms.keys() == {"cross_entropy"}
    assert result.epochs[0].learning_rates.keys() == {"all"}
    assert (result.steps, result.skipped_steps, result.roll_backs) == (24, 0, 0)
    assert not any(finding.raised for finding in result.findings)
