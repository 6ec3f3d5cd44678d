"""Each option of training does what it says in a whole run."""

import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from made_corpus import write_folder_corpus
from made_run import made_run
from moe_mamba_asv.errors import ConfigError, TrainingError
from moe_mamba_asv.models.checkpoint import load_checkpoint
from moe_mamba_asv.models.frontends.ssl import SslFrontend
from moe_mamba_asv.training.recipe import load_recipe
from moe_mamba_asv.training.run import Run
from moe_mamba_asv.training.sweep import parse_seeds, runs_of, summarise
from moe_mamba_asv.training.train import precision_warning, train
from tiny_ssl import save_tiny


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder_corpus(tmp_path_factory.mktemp("corpus"))


def _metrics(out: Path) -> pl.DataFrame:
    return pl.read_csv(out / "metrics.csv")


def _largest_difference(one: Path, other: Path) -> float:
    states = load_checkpoint(one).state, load_checkpoint(other).state
    return max((states[0][name].float() - states[1][name].float()).abs().max().item() for name in states[0])


class _Stop(BaseException):
    """Somebody pulled the plug."""


@pytest.mark.parametrize(
    "averaging", ["{kind: none}", "{kind: ema, decay: 0.9}", "{kind: best, k: 2}", "{kind: swa, start: 0.3}"]
)
@pytest.mark.parametrize(("workers", "num_stops"), [(0, 20), (2, 5)])
def test_stopped_at_random_places_it_ends_with_the_same_bits(
    root: Path, tmp_path: Path, averaging: str, workers: int, num_stops: int
) -> None:
    options = (f"training.averaging={averaging}", "training.state_every_steps=3", "training.keep_best=2")
    whole = train(made_run(root, tmp_path / "whole", *options)).parent
    generator = random.Random(f"{averaging} {workers}")
    for stop_at in generator.choices(range(1, 24), k=num_stops):

        def stop(step: int, total: int, dev_eer: float, stop_at: int = stop_at) -> None:
            if step >= stop_at:
                raise _Stop

        try:
            train(made_run(root, tmp_path / "parts", *options, workers=workers), resume=True, report=stop)
        except _Stop:
            continue
    parts = train(made_run(root, tmp_path / "parts", *options, workers=workers), resume=True).parent
    names = sorted(path.relative_to(whole) for path in whole.rglob("*.safetensors"))
    assert names == sorted(path.relative_to(parts) for path in parts.rglob("*.safetensors"))
    assert len(names) >= 4
    for name in [*names, "metrics.csv"]:
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    steps = pl.read_csv(parts / "steps.csv")["step"].to_list()
    assert steps == list(range(1, 25))


def test_micro_batches_add_up_to_the_batch(root: Path, tmp_path: Path) -> None:
    # Norms over a batch, weights by class and dropout would tell halves from wholes.
    alike = (
        "training.finetune.freeze_batch_norm=true",
        "training.objective.loss.class_weights=[1, 1]",
        "model.dropout=0",
    )
    norms = []
    for parts in (1, 2, 4):
        out = tmp_path / str(parts)
        train(made_run(root, out, *alike, f"training.accumulate={parts}", max_steps=1))
        norms.append(pl.read_csv(out / "steps.csv")["gradient_norm"][0])
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
    assert norms[2] == pytest.approx(norms[0], rel=1e-4)


def test_the_mean_of_the_best_is_a_candidate_of_its_own(root: Path, tmp_path: Path) -> None:
    run = made_run(root, tmp_path / "run", "training.averaging={kind: best, k: 3}")
    best = train(run)
    averaged = load_checkpoint(run.out / "averaged.safetensors")
    assert averaged.selection["weights"] == "best"
    lowest = min(_metrics(run.out)["dev_eer"].min(), averaged.selection["value"])
    assert load_checkpoint(best).selection["value"] == lowest


def test_it_ends_early_when_dev_gets_no_better(root: Path, tmp_path: Path) -> None:
    # Rates too small to change a score: the first epoch stays the best.
    options = ("training.learning_rate=1.0e-12", "training.min_learning_rate=0", "training.epochs=9")
    run = made_run(
        root, tmp_path / "run", *options, "training.early_stop_epochs=2", "training.finetune.freeze_batch_norm=true"
    )
    train(run)
    assert _metrics(run.out)["step"].to_list() == [8, 16, 24]


def test_two_corpora_are_heard_by_weight(root: Path, tmp_path: Path) -> None:
    run = made_run(root, tmp_path / "run", max_steps=4)
    other = replace(run.train[0], kind="other")
    both = replace(run, train=(run.train[0], other), weights=(3.0, 1.0))
    train(both)
    with pytest.raises(TrainingError, match="weights"):
        train(replace(both, weights=(1.0,), out=tmp_path / "wrong"))


@pytest.mark.parametrize(
    "setting",
    [
        "training.mixup={alpha: 0.4}",
        "training.clip_gradient=0.001",
        "training.sampling.balance=attack",
        "training.objective.loss={kind: focal}",
        "training.precision=bfloat16",
        "training.finetune.rates={head: 0.1}",
    ],
)
def test_an_option_changes_the_weights(root: Path, tmp_path: Path, setting: str) -> None:
    plain = train(made_run(root, tmp_path / "plain", max_steps=3))
    changed = train(made_run(root, tmp_path / "changed", setting, max_steps=3))
    assert _largest_difference(plain, changed) > 1e-5


def test_decoded_clips_change_nothing(root: Path, tmp_path: Path) -> None:
    plain = train(made_run(root, tmp_path / "plain", max_steps=9))
    cached = train(made_run(root, tmp_path / "cached", max_steps=9, cache=tmp_path / "cache"))
    assert plain.read_bytes() == cached.read_bytes()


def test_seeds_are_swept_with_mean_and_spread(root: Path, tmp_path: Path) -> None:
    runs = list(runs_of(made_run(root, tmp_path / "sweep", max_steps=2), parse_seeds("seeds=1,2")))
    assert [run.out.name for run in runs] == ["seed-1", "seed-2"]
    sweep = summarise([train(run) for run in runs])
    one, two = sweep.dev_eers
    assert sweep.mean == pytest.approx((one + two) / 2)
    assert sweep.spread == pytest.approx(abs(one - two) / 2**0.5)
    for wrong in ("1,2", "seeds=", "seeds=1,1", "seeds=1", "seeds=a,b"):
        with pytest.raises(ConfigError, match="sweep"):
            parse_seeds(wrong)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("whisper"), "whisper")


def _dual(root: Path, out: Path, source: Path, *overrides: str, recipe: str = "phase4-small", **options) -> Run:
    settings = [
        f"model.frontends.0.source={source}",
        "model.frontends.1.channels=[2,2,2,2]",
        "model.width=16",
        "model.backend.num_blocks=1",
        "training.batch_size=4",
        "training.accumulate=1",
        "training.num_samples=8000",
        "training.crop_samples=8000",
        *overrides,
    ]
    run = made_run(root, out, max_steps=3, **options)
    return replace(run, recipe=load_recipe(recipe, settings))


@pytest.mark.parametrize(
    "recipe", ["phase5-small", "phase5-lora-small", "phase5-discriminative-small", "phase5-l2sp-small"]
)
def test_fine_tuning_starts_from_a_trained_model_and_watches_its_streams(
    root: Path, tmp_path: Path, source: Path, recipe: str
) -> None:
    start = train(_dual(root, tmp_path / "start", source))
    run = _dual(root, tmp_path / "tuned", source, f"training.finetune.start={start.parent}", recipe=recipe)
    tuned = load_checkpoint(train(run))
    row = _metrics(run.out).row(-1, named=True)
    assert row["stream_share_0"] + row["stream_share_1"] == pytest.approx(1)
    assert ("l2_sp" in row) == ("l2sp" in recipe)
    model = tuned.build()  # the light file finds what it left out
    assert torch.isfinite(model(torch.randn(2, 8000)).score).all()
    before = load_checkpoint(start).build().state_dict()
    moved = {
        name for name, value in model.state_dict().items() if name in before and not torch.equal(value, before[name])
    }
    assert any(name.startswith("head.") for name in moved)
    assert not any(name.startswith("frontends.0.layers.0.") for name in moved)
    assert "encoder.0.norm2.running_mean" not in str(moved)  # batch norms are frozen


def test_the_neck_alone_is_tuned_under_a_new_head(root: Path, tmp_path: Path, source: Path) -> None:
    start = train(_dual(root, tmp_path / "start", source))
    run = _dual(root, tmp_path / "tuned", source, f"training.finetune.start={start.parent}", recipe="phase5-neck-small")
    after = load_checkpoint(train(run)).build().state_dict()
    before = load_checkpoint(start).build().state_dict()
    moved = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    assert {name.partition(".")[0] for name in moved} <= {"projections", "fusion", "backend", "pooling"}
    assert "head.centre" in after


def test_frozen_features_are_kept_and_give_the_same_run(root: Path, tmp_path: Path, source: Path) -> None:
    frozen = "model.frontends.0.trainable=null"
    kept = _dual(root, tmp_path / "kept", source, frozen, "training.frozen_features=true", cache=tmp_path / "cache")
    with pytest.raises(TrainingError, match="--cache"):
        replace(kept, cache=None)
    once = train(kept)
    heard = []
    again = replace(kept, out=tmp_path / "again")
    with pytest.MonkeyPatch.context() as patch:
        original = SslFrontend.fixed
        patch.setattr(SslFrontend, "fixed", lambda self, waveforms: heard.append(1) or original(self, waveforms))
        assert train(again).read_bytes() == once.read_bytes()
    assert not heard  # the self-supervised model has not run at all
    # Kept or computed, the numbers agree: the same first samples are heard without a cache when a crop is a clip.
    plain = _dual(root, tmp_path / "plain", source, frozen, "training.crop_samples=9600", "training.num_samples=9600")
    whole = _dual(
        root,
        tmp_path / "whole",
        source,
        frozen,
        "training.crop_samples=9600",
        "training.num_samples=9600",
        "training.frozen_features=true",
        cache=tmp_path / "cache",
    )
    assert _largest_difference(train(plain), train(whole)) < 1e-3


def test_every_term_of_the_objective_is_logged(root: Path, tmp_path: Path, source: Path) -> None:
    run = _dual(
        root,
        tmp_path / "run",
        source,
        "model.projection_width=8",
        "model.num_attacks=2",
        "training.objective.supcon={weight: 0.1}",
        "training.objective.attack_type=0.5",
        "training.fgm={epsilon: 0.01}",
    )
    train(run)
    row = _metrics(run.out).row(-1, named=True)
    terms = ["cross_entropy", "supcon", "attack_type", "adversarial"]
    assert row["loss"] == pytest.approx(sum(row[term] for term in terms), rel=1e-5)
    assert all(row[term] > 0 for term in terms)


def test_routers_are_watched(root: Path, tmp_path: Path, source: Path) -> None:
    settings = ["model.width=16", "model.backend.num_blocks=1", "training.batch_size=4", "training.num_samples=8000"]
    settings += [f"model.frontends.0.source={source}", "training.crop_samples=8000"]
    run = replace(made_run(root, tmp_path / "run", max_steps=2), recipe=load_recipe("phase3-small", settings))
    train(run)
    row = _metrics(run.out).row(-1, named=True)
    assert sum(row[f"expert_share_0_{expert}"] for expert in range(4)) == pytest.approx(1)
    assert row["router_entropy_0"] > 0
    assert row["dead_experts_0"] == sum(row[f"expert_share_0_{expert}"] < 0.025 for expert in range(4))
    assert row["load_balance"] > 0


@pytest.mark.parametrize("is_fast", [False, True])
def test_bfloat16_is_warned_of_where_the_processor_computes_it_the_long_way(
    is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: is_fast)
    warning = precision_warning(load_recipe("lcnn-small", ["training.precision=bfloat16"]).training, "cpu")
    assert ("training.precision=float32" in (warning or "")) == (not is_fast)
    assert precision_warning(load_recipe("lcnn-small").training, "cpu") is None
