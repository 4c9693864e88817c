"""Where a run is in its schedule."""
import pytest

from ganlib.config import Config
from ganlib.training.schedule import Moment, ema_decay, moment


def test_stages_of_growing():
    config = Config().replace(model="stylegan", grow="8:1 16:3 32:5 64:7", fade_kimg=1, batches="4:128 32:64",
                              batch=32, rates="16:1.5", resolution=32)

    def at(images):
        now = moment(config, images)
        return now.resolution, now.fade, now.batch, now.rate

    assert at(0) == (4, 1.0, 128, 1.0)
    assert at(1_000) == (8, 0.0, 128, 1.0)
    assert at(1_250) == (8, 0.25, 128, 1.0)
    assert at(2_999) == (8, 1.0, 128, 1.0)
    assert at(3_500) == (16, 0.5, 128, 1.5)
    assert at(10**9) == (32, 1.0, 64, 1.5)  # not beyond the run's resolution


def test_without_a_schedule_all_moments_are_alike():
    assert moment(Config(), 12_345) == moment(Config(), 0) == Moment(64, 1.0, 64, 1.0, 0.0, False, hidden=0.1)


def test_the_penalty_is_on_one_of_so_many_updates():
    config = Config().replace(penalty="r1", penalty_every=4, d_norm="layer", batch=16)
    assert [moment(config, 16 * k).penalised for k in range(9)] == [True, False, False, False] * 2 + [True]


@pytest.mark.parametrize("images, noise", [(0, 0.2), (5_000, 0.1), (10_000, 0.0), (99_999, 0.0)])
def test_instance_noise_falls_to_zero(images, noise):
    config = Config().replace(instance_noise=0.2, noise_kimg=10)
    assert moment(config, images).noise == pytest.approx(noise)
    assert moment(config.replace(noise_kimg=0), images).noise == 0.2


@pytest.mark.parametrize("images, hidden", [(0, 1), (4_000, 1), (6_000, 0.6), (8_000, 0.2), (99_999, 0.2)])
def test_labels_appear_one_by_one(images, hidden):
    config = Config().replace(labels="hair", hidden_labels=0.2, labels_kimg=8)
    assert moment(config, images).hidden == pytest.approx(hidden)
    assert moment(config.replace(labels_kimg=0), images).hidden == pytest.approx(0.2)


def test_the_average_halves_over_its_half_life():
    config = Config().replace(ema_kimg=10, ema_rampup=0.05)
    assert ema_decay(config, 10**6, 10_000) == pytest.approx(0.5)
    assert ema_decay(config, 20_000, 1_000) == pytest.approx(0.5)  # at most 0.05 of the images seen
    assert ema_decay(config, 0, 64) == 0.0
