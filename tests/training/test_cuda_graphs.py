"""Steps as CUDA graphs: each equals the step that runs as it is, as nearly as that one equals itself."""
import pytest
import torch
from helpers import make_pack
from recorded_recipes import RECIPES, recipe

from ganlib.data.batching import batches
from ganlib.data.packs import load_pack
from ganlib.machine.device import DTYPES, global_generator, tuned
from ganlib.machine.graphs import Recorder, recorder_for
from ganlib.runs.folder import read_log
from ganlib.seeding import mixed
from ganlib.training.loop import train
from ganlib.training.schedule import ema_decay, moment
from ganlib.training.step import Step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that CUDA can use")
STEPS = 50


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    path = tmp_path_factory.mktemp("graphs") / "pack"
    make_pack(path, 60)
    return load_pack(path)


def tensors(step):
    """All that a step changes."""
    found = [*step.G.state_dict().values(), *step.D.state_dict().values(), *step.G_ema.parameters()]
    for optimizer in step.optimizers.values():
        for state in optimizer.state.values():
            found += [value for value in state.values() if torch.is_tensor(value)]
    return found


@torch.no_grad()
def begin_from(step, other):
    """Fill a step with the numbers of another."""
    for mine, theirs in zip(tensors(step), tensors(other), strict=True):
        mine.copy_(theirs)


def weights(step):
    return torch.cat([p.detach().flatten() for network in (step.G, step.D, step.G_ema)
                      for p in network.parameters()])


def one_update(step, config, real, labels, images, measure):
    """The update at so many images seen, as the loop has it."""
    dice = global_generator(step.device)
    z_dice = torch.Generator(step.device).manual_seed(mixed(config.seed, images, "z"))
    z = torch.randn(len(real), config.z_dim, device=step.device, generator=z_dice)
    dice.manual_seed(mixed(config.seed, images, "step"))
    at = moment(config, images)
    with_g = images // config.batch % config.d_steps == config.d_steps - 1
    ema = ema_decay(config, images + at.batch, at.batch) if with_g else None
    told = step(real, labels, z, at, dice, with_g, measure, ema)
    return {key: float(value) for key, value in (told.averaged | told.newest).items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", RECIPES)
def test_each_recorded_step_equals_the_one_that_runs_as_it_is(name, precision, pack):
    """From the same weights, two steps as they are and a recorded one. Their differences are compared."""
    config, device = recipe(name), torch.device("cuda:0")
    recorder = recorder_for("on", device, "", pytest.fail)
    plain, again, recorded = (Step(config, device, DTYPES[precision], r) for r in (None, None, recorder))
    images, errors = 0, []
    with tuned(device):
        for number in range(STEPS):
            real, labels = next(batches(pack, config.batch, config.seed, images, device))
            before, measure = weights(plain), number % 7 == 6
            told = [one_update(step, config, real, labels, images, measure)
                    for step in (plain, again, recorded)]
            moved = (weights(plain) - before).norm()
            noise, error = ((weights(step) - weights(plain)).norm() / moved for step in (again, recorded))
            errors.append((number, error.item(), noise.item()))
            loose = 1e-2 if precision == "fp32" else 1e-1
            assert told[2].keys() == told[0].keys()
            for key, value in told[0].items():
                spread = abs(told[1][key] - value)
                assert abs(told[2][key] - value) <= 3 * spread + loose * (abs(value) + 0.1), (number, key)
            begin_from(again, plain)
            begin_from(recorded, plain)
            images += config.batch
    assert len(recorder.recordings) >= 1 and not recorder.failed
    noise = max(noise for *_, noise in errors)
    assert all(error <= 3 * noise + 1e-2 for _, error, _ in errors), errors


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["dcgan", "two d steps", "stylegan, growing", "stylegan-fast"])
def test_a_run_is_recorded_without_a_word(name, precision, pack, tmp_path, capsys, monkeypatch):
    made = []
    record = Recorder._record
    monkeypatch.setattr(Recorder, "_record", lambda self, *more: (made.append(1), record(self, *more))[1])
    run = train(recipe(name, device="cuda", precision=precision), pack, tmp_path, progress=False)
    assert made and "without CUDA graphs" not in capsys.readouterr().err
    records, _ = read_log(run.path)
    assert records[-1]["images"] == recipe(name).images


def test_the_host_never_waits_for_a_recorded_step(pack):
    config, device = recipe("stylegan-fast"), torch.device("cuda:0")
    step = Step(config, device, torch.bfloat16, recorder_for("on", device, "", pytest.fail))
    dice, at = global_generator(device), moment(config, 0)
    real, labels = next(batches(pack, config.batch, device=device))
    z = torch.randn(len(real), config.z_dim, device=device)
    for _ in range(6):  # three as they are, then the recording
        step(real, labels, z, at, dice, ema=0.9)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(5):
            dice.manual_seed(number)
            step(real, labels, z, at, dice, ema=0.9)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_growing_is_recorded_anew_at_each_resolution(pack):
    """The gradients of the stage before lie in the memory of recordings that are gone by then."""
    config, device = recipe("stylegan, growing", d_steps=5), torch.device("cuda:0")
    recorder = recorder_for("on", device, "", pytest.fail)
    step = Step(config, device, torch.bfloat16, recorder)
    images, resolutions = 0, []
    while images < config.images:
        at = moment(config, images)
        real, labels = next(batches(pack, config.batch, config.seed, images, device))
        one_update(step, config, real, labels, images, False)
        if recorder.recordings:
            resolutions.append(at.resolution)
        images += config.batch
    assert not recorder.failed and sorted(set(resolutions)) == [4, 8, 16, 32]


def test_after_a_recording_that_fails_all_goes_on_as_it_is():
    """A function that has the host wait cannot be recorded. It draws then what it would have drawn."""
    device, said = torch.device("cuda:0"), []
    recorder, dice = Recorder(device, said.append), global_generator(device)
    stream = torch.cuda.current_stream()

    def draws(x):
        drawn = x + torch.randn(3, device=device, generator=dice)
        return {"drawn": drawn, "total": torch.full((), drawn.sum().item(), device=device)}

    x = torch.arange(3.0, device=device)
    for seed in range(6):
        dice.manual_seed(seed)
        found = recorder("draws", draws, (x,))["drawn"].clone()
        dice.manual_seed(seed)
        assert torch.equal(found, draws(x)["drawn"])
        assert torch.cuda.current_stream() == stream
    assert recorder.failed and len(said) == 1 and "recording one failed" in said[0]
    other = Recorder(device, pytest.fail)  # the next one is not harmed
    for seed in range(6):
        dice.manual_seed(seed)
        found = other("noise", lambda x: {"y": x + torch.rand(3, device=device)}, (x,))["y"].clone()
        dice.manual_seed(seed)
        assert torch.equal(found, x + torch.rand(3, device=device))
    assert other.recordings and not other.failed


def test_a_recording_draws_the_numbers_of_the_call_that_it_records():
    """All ways to draw in a step, several in turn: the places in the stream of random numbers agree."""
    device = torch.device("cuda:0")
    recorder, dice = Recorder(device, pytest.fail), global_generator(device)

    def draws(x):
        return {"normal": torch.randn(33, 5, device=device, generator=dice),
                "uniform": torch.empty_like(x).uniform_(generator=dice),
                "whole": torch.randint(1, 9, (7, 1), device=device, generator=dice).float(),
                "ones": torch.empty_like(x).bernoulli_(0.3), "more": torch.empty_like(x).normal_()}

    x = torch.zeros(16, 8, 12, 12, device=device).contiguous(memory_format=torch.channels_last)
    for seed in range(8):
        dice.manual_seed(mixed(0, seed, "step"))
        found = {name: value.clone() for name, value in recorder("all", draws, (x,)).items()}
        dice.manual_seed(mixed(0, seed, "step"))
        assert all(torch.equal(found[name], value) for name, value in draws(x).items()), seed
    assert recorder.recordings
