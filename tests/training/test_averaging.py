"""Averages of weights against numbers computed by hand, across a resume, and back out of the model without a trace."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from moe_mamba_asv.errors import CheckpointError, ConfigError, TrainingError
from moe_mamba_asv.models.countermeasure import Countermeasure, CountermeasureConfig
from moe_mamba_asv.models.output import Detector
from moe_mamba_asv.training.averaging import Average, AveragingConfig, build_average, interpolate, swapped
from moe_mamba_asv.training.finetune.config import FinetuneConfig
from moe_mamba_asv.training.finetune.freezing import apply_freezing
from tiny_ssl import save_tiny

CLIPS = 0.1 * torch.randn(2, 4_000, generator=torch.Generator().manual_seed(0))
KINDS = [{"kind": "ema", "decay": 0.5}, {"kind": "swa", "start": 0.25}, {"kind": "best", "k": 3}]
PARSE = TypeAdapter(AveragingConfig)
STEPS_PER_EPOCH, EPOCHS = 3, 6


class Scalar(Detector):
    """One trained weight, one frozen, a running statistic and a count."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.frozen = nn.Parameter(torch.tensor(7.0), requires_grad=False)
        self.register_buffer("statistic", torch.zeros(()))
        self.register_buffer("count", torch.tensor(0))

    def put(self, value: float) -> "Scalar":
        with torch.no_grad():
            self.weight.fill_(value)
            self.get_buffer("statistic").fill_(10 * value)
            self.get_buffer("count").add_(1)
        return self


def average_of(options: dict[str, Any], model: Detector, total_steps: int) -> Average:
    return build_average(PARSE.validate_python(options), model, total_steps)


def told(weights: dict[str, Tensor] | None) -> dict[str, float]:
    assert weights is not None
    return {name: tensor.item() for name, tensor in weights.items()}


def test_no_average_answers_nothing() -> None:
    model = Scalar()
    average = average_of({"kind": "none"}, model, 4)
    average.update_step(model.put(1), 1)
    average.update_epoch(model, 0.1)
    assert average.running_weights() is None
    assert average.final_weights() is None
    average.load_state_dict(average.state_dict())


def test_an_exponential_average_follows_its_formula_through_the_warm_up() -> None:
    """By hand: d = 1/10, 2/11, 3/12 and then 0.25, which is less than 4/13; values of 1, 2, 3, 4 from 0 on."""
    model = Scalar()
    average = average_of({"kind": "ema", "decay": 0.25}, model, 4)
    mean = Fraction(0)
    for step, decay in enumerate([Fraction(1, 10), Fraction(2, 11), Fraction(1, 4), Fraction(1, 4)], start=1):
        mean = decay * mean + (1 - decay) * step
        average.update_step(model.put(step), step)
        found = told(average.running_weights())
        assert found == pytest.approx({"weight": float(mean), "statistic": float(10 * mean), "count": step}, rel=1e-6)
    assert average.final_weights() is None


def test_a_long_memory_is_the_decay_itself() -> None:
    model = Scalar()
    average = average_of({"kind": "ema", "decay": 0.999}, model, 20_000)
    for step in range(1, 10_001):
        average.update_step(model, step)
    average.update_step(model.put(1), 10_001)
    assert told(average.running_weights())["weight"] == pytest.approx(0.001, rel=1e-5)


@pytest.mark.parametrize(("start", "wanted"), [(0.75, [4]), (0.5, [3, 4]), (0.6, [3, 4]), (0, [1, 2, 3, 4])])
def test_late_epochs_have_equal_shares(start: float, wanted: list[int]) -> None:
    """Four epochs of five steps; the weights in between have no say."""
    model = Scalar()
    average = average_of({"kind": "swa", "start": start}, model, 20)
    for step in range(1, 21):
        average.update_step(model.put(step / 5), step)
        if step % 5 == 0:
            average.update_epoch(model, 0.1)
            assert (average.final_weights() is None) == (step / 5 < wanted[0])
    mean = sum(wanted) / len(wanted)
    assert told(average.final_weights()) == pytest.approx({"weight": mean, "statistic": 10 * mean, "count": 20})
    assert average.running_weights() is None


def test_a_last_step_that_was_skipped_lets_no_early_epoch_in_and_no_late_one_out() -> None:
    model = Scalar()
    average = average_of({"kind": "swa", "start": 0.5}, model, 4)
    for epoch, last_taken in enumerate([1, 3], start=1):
        average.update_step(model.put(epoch), last_taken)
        average.update_epoch(model, 0.1)
    assert told(average.final_weights())["weight"] == 2


@pytest.mark.parametrize(
    ("k", "dev_eers", "wanted"),
    [
        (2, [0.3, 0.1, 0.2, 0.4], [2, 3]),
        (3, [0.4, 0.3, 0.2, 0.1], [2, 3, 4]),
        (2, [0.1, 0.2, 0.2, 0.2], [1, 2]),
        (2, [0.2, 0.2, 0.1], [1, 3]),
        (1, [0.2, 0.1, 0.1], [2]),
        (9, [0.2, 0.1], [1, 2]),
    ],
)
def test_the_best_epochs_have_equal_shares_the_earlier_of_equals(
    k: int, dev_eers: list[float], wanted: list[int]
) -> None:
    model = Scalar()
    average = average_of({"kind": "best", "k": k}, model, 99)
    assert average.final_weights() is None
    for epoch, dev_eer in enumerate(dev_eers, start=1):
        average.update_epoch(model.put(epoch), dev_eer)
    mean = sum(wanted) / len(wanted)
    found = told(average.final_weights())
    assert found == pytest.approx({"weight": mean, "statistic": 10 * mean, "count": wanted[-1]})
    assert told(average.final_weights()) == found


@settings(deadline=None)
@given(value=st.floats(-(2.0**99), 2.0**99, width=32), kind=st.sampled_from(KINDS), epochs=st.integers(1, 5))
def test_what_does_not_move_has_its_own_bits_as_mean(value: float, kind: dict[str, Any], epochs: int) -> None:
    model = Scalar().put(value)
    average = average_of(kind, model, epochs)
    for epoch in range(1, epochs + 1):
        average.update_step(model, epoch)
        average.update_epoch(model, 0.5 - epoch / 100)
    weights = average.running_weights() or average.final_weights()
    assert weights is not None
    assert torch.equal(weights["weight"], model.weight)


# In a real model


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Countermeasure]:
    """Builds a dual-stream model whose last SSL layer is trained and whose pooling is not."""
    source = save_tiny(tmp_path_factory.mktemp("wavlm"), "wavlm-stable")
    config = CountermeasureConfig.model_validate(
        {
            "frontends": [
                {"kind": "ssl", "source": str(source), "layers": "weighted", "trainable": [3, 3]},
                {"kind": "sincnet", "num_filters": 12, "channels": [4, 4, 4]},
            ],
            "width": 8,
            "fusion": {"kind": "squeeze-excitation", "reduction": 2},
            "backend": {"kind": "bimamba", "num_blocks": 1},
            "pooling": {"kind": "attentive", "hidden": 4},
            "head": {"kind": "linear"},
        }
    )

    def build() -> Countermeasure:
        torch.manual_seed(0)
        model = Countermeasure(config)
        apply_freezing(model, FinetuneConfig(frozen=("pooling",)))
        return model

    return build


def run_of(model: Countermeasure, *, first_step: int = 0) -> Iterator[int]:
    """Moves weights as a training would, each step from its number alone; answers how many steps are done."""
    for step in range(first_step, STEPS_PER_EPOCH * EPOCHS):
        torch.manual_seed(step)
        model.train()(CLIPS)  # moves the statistics of batch norms
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.01 * torch.randn_like(parameter))
        yield step + 1


def tell(average: Average, model: Detector, done: int) -> None:
    average.update_step(model, done)
    if done % STEPS_PER_EPOCH == 0:
        average.update_epoch(model, (7 * done) % 11 / 100)


def flat(state: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of nested dicts by their paths; anything else is an error."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        if isinstance(value, dict):
            found |= {f"{key}/{path}": tensor for path, tensor in flat(value).items()}
        else:
            assert isinstance(value, Tensor)
            found[key] = value
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    left, right = flat(one), flat(other)
    return left.keys() == right.keys() and all(torch.equal(tensor, right[path]) for path, tensor in left.items())


def answer(average: Average) -> dict[str, Tensor]:
    weights = average.running_weights() or average.final_weights()
    assert weights is not None
    return {name: tensor.clone() for name, tensor in weights.items()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["kind"])
@pytest.mark.parametrize("stop", [1, 7, 13])
def test_a_restored_average_goes_on_bit_by_bit(
    make: Callable[[], Countermeasure], kind: dict[str, Any], stop: int, tmp_path: Path
) -> None:
    model = make()
    average = average_of(kind, model, STEPS_PER_EPOCH * EPOCHS)
    for done in run_of(model):
        tell(average, model, done)
        if done == stop:
            state = {"average": average.state_dict(), "weights": model.state_dict()}
            torch.save(state, tmp_path / "state")
    again = make()
    restored = average_of(kind, again, STEPS_PER_EPOCH * EPOCHS)
    state = torch.load(tmp_path / "state", weights_only=True)
    again.load_state_dict(state["weights"])
    restored.load_state_dict(state["average"])
    assert same(restored.state_dict(), state["average"])
    for done in run_of(again, first_step=stop):
        tell(restored, again, done)
    assert same(restored.state_dict(), average.state_dict())
    assert same(answer(restored), answer(average))
    assert not same(answer(average), {name: model.state_dict()[name] for name in answer(average)})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["kind"])
def test_a_restored_average_shares_no_memory_with_the_state(
    make: Callable[[], Countermeasure], kind: dict[str, Any]
) -> None:
    model = make()
    average = average_of(kind, model, 1)
    average.update_step(model, 1)
    average.update_epoch(model, 0.1)
    before = answer(average)
    other = average_of(kind, model, 1)
    other.load_state_dict(average.state_dict())
    for done in run_of(model):
        other.update_step(model, done)
        other.update_epoch(model, 0.0)
    assert same(answer(average), before)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["kind"])
def test_what_is_frozen_is_not_averaged_and_statistics_are(
    make: Callable[[], Countermeasure], kind: dict[str, Any]
) -> None:
    model = make()
    average = average_of(kind, model, STEPS_PER_EPOCH * EPOCHS)
    for done in run_of(model):
        tell(average, model, done)
    weights, now = answer(average), model.state_dict()
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert weights.keys() == now.keys() - frozen
    assert {name.split(".")[2] for name in weights if name.startswith("frontends.0.layers.")} == {"layers"}
    assert not torch.equal(weights["frontends.1.stem_norm.running_mean"], now["frontends.1.stem_norm.running_mean"])
    assert weights["frontends.1.stem_norm.num_batches_tracked"].dtype == torch.int64


def test_a_state_of_another_average_or_model_is_refused(make: Callable[[], Countermeasure]) -> None:
    for kind in KINDS:
        for other in [{"kind": "none"}, *KINDS]:
            if kind != other:
                with pytest.raises(TrainingError, match="an average with a state of"):
                    average_of(other, Scalar(), 1).load_state_dict(average_of(kind, Scalar(), 1).state_dict())
    with pytest.raises(TrainingError, match=r"the average of another model(.|\n)*\+ statistic \(\) is unknown(.|\n)*…"):
        average_of(KINDS[0], make(), 1).load_state_dict(average_of(KINDS[0], Scalar(), 1).state_dict())


# Swapping


def test_a_model_has_its_own_bits_again_whatever_happened(make: Callable[[], Countermeasure]) -> None:
    model = make()
    average = average_of(KINDS[0], model, 1)
    for done in run_of(model):
        tell(average, model, done)
    weights = answer(average)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    parameters = list(model.parameters())

    def fail_within() -> None:
        with swapped(model, weights):
            assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in weights.items())
            assert not torch.equal(model.head.get_parameter("linear.weight"), before["head.linear.weight"])
            model.train()(CLIPS)
            raise RuntimeError("within")

    with pytest.raises(RuntimeError, match="within"):
        fail_within()
    assert same(dict(model.state_dict()), before)
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    assert same(answer(average), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"weigth": torch.zeros(())}, r"\+ weigth \(\) is unknown"),
        ({"weight": torch.zeros(1)}, r"! weight is \(1,\), wanted \(\)"),
    ],
)
def test_weights_of_another_model_are_refused_and_nothing_changes(weights: dict[str, Tensor], message: str) -> None:
    model = Scalar().put(3)

    def swap() -> None:
        with swapped(model, {"statistic": torch.zeros(()), **weights}):
            pass

    with pytest.raises(CheckpointError, match=message):
        swap()
    assert model.get_buffer("statistic") == 30


# Between two models


def test_interpolated_weights_lie_where_the_share_says() -> None:
    a = {"weight": torch.tensor([0.0, 4.0]), "count": torch.tensor(3)}
    b = {"weight": torch.tensor([8.0, 2.0]), "count": torch.tensor(5)}
    between = interpolate(a, b, 0.25)
    assert between["weight"].tolist() == [2.0, 3.5]
    assert [interpolate(a, b, share)["count"].item() for share in (0, 0.25, 0.5, 1)] == [3, 3, 5, 5]


@given(a=st.floats(-(2.0**99), 2.0**99, width=32), b=st.floats(-(2.0**99), 2.0**99, width=32))
def test_the_ends_have_their_very_bits(a: float, b: float) -> None:
    ends = [{"weight": torch.tensor(value)} for value in (a, b)]
    for share, end in enumerate(ends):
        found = interpolate(ends[0], ends[1], share)["weight"]
        assert torch.equal(found, end["weight"])
        assert found.data_ptr() != end["weight"].data_ptr()


def test_what_both_have_keeps_its_sign_of_zero() -> None:
    same = {"weight": torch.tensor([-0.0, 0.0, 0.1])}
    between = interpolate(same, {"weight": same["weight"].clone()}, 0.25)
    assert between["weight"].numpy().tobytes() == same["weight"].numpy().tobytes()


def test_what_does_not_match_is_listed() -> None:
    a = {"same": torch.zeros(1), "head.weight": torch.zeros(2, 8), "gone": torch.zeros(3)}
    b = {"same": torch.zeros(1), "head.weight": torch.zeros(3, 8), "new": torch.zeros(())}
    with pytest.raises(CheckpointError) as caught:
        interpolate(a, b, 0.5)
    for line in (
        "3 entries",
        "- gone (3,) is missing",
        "+ new () is unknown",
        "! head.weight is (3, 8), wanted (2, 8)",
    ):
        assert line in str(caught.value)
    assert "same" not in str(caught.value)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="share"):
        interpolate({}, {}, share)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "mean"},
        {"kind": "none", "k": 1},
        {"kind": "ema", "decay": 1},
        {"kind": "ema", "decay": -0.1},
        {"kind": "swa", "start": 1},
        {"kind": "best", "k": 0},
    ],
)
def test_impossible_configurations_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PARSE.validate_python(options)
