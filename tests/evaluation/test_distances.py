"""Distances against closed forms, pytorch-fid, prdc, sums written out, and images made worse."""
import io
import zipfile

import numpy as np
import pytest
import torch
from helpers import make_report, random_images
from PIL import Image, ImageFilter
from prdc import compute_prdc
from pytorch_fid import fid_score

from ganlib.data.detector import detector_trouble
from ganlib.data.packs import pack
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import (
    face_numbers,
    frechet,
    frechet_infinity,
    kid,
    nearest_neighbours,
    prdc,
    random_rows,
    squared_mmd,
)
from ganlib.evaluation.features import features, gaussian


def cloud(n, dims, seed=0):
    """n correlated rows of `dims` numbers."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, dims)) @ rng.normal(size=(dims, dims))).astype(np.float32)


def normal(n, dims, seed, shift=0.0):
    return np.random.default_rng(seed).normal(shift, size=(n, dims)).astype(np.float32)


def lite(images, **options):
    return features(images, progress=False, **options)


# -- the Fréchet distance


def test_frechet_of_a_set_with_itself_is_zero():
    stats = gaussian(cloud(500, 40))
    assert frechet(stats, stats) == pytest.approx(0, abs=1e-8)
    few = gaussian(cloud(20, 40))  # fewer images than features: the covariance has no full rank
    assert 0 <= frechet(few, few) < 1e-4


def test_frechet_is_never_below_zero():
    for seed in range(20):
        x = cloud(12, 200, seed)
        assert frechet(gaussian(x), gaussian(x + np.float32(1e-7))) >= 0


def test_frechet_of_shifted_and_scaled_gaussians():
    mu, sigma = gaussian(cloud(500, 12))
    shifted = frechet((mu, sigma), (mu + np.arange(12), sigma))
    assert shifted == pytest.approx((np.arange(12) ** 2).sum(), rel=1e-8)
    scaled = frechet((mu, sigma), (mu, 9 * sigma))
    assert scaled == pytest.approx(4 * np.trace(sigma), rel=1e-8)  # (3 - 1)^2 tr S
    a, b = np.array([1.0, 4.0, 9.0]), np.array([16.0, 4.0, 0.0])
    assert frechet((np.zeros(3), np.diag(a)), (np.ones(3), np.diag(b))) == pytest.approx(3 + 9 + 0 + 9)


def test_frechet_equals_pytorch_fid():
    a, b = gaussian(cloud(400, 48, 1)), gaussian(cloud(300, 48, 2) + 0.3)
    assert frechet(a, b) == pytest.approx(fid_score.calculate_frechet_distance(*a, *b), rel=1e-8)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-8)


def test_frechet_of_features_that_do_not_compare():
    x = cloud(20, 6)
    with pytest.raises(GanlibError, match="6 and of 5 features do not compare"):
        frechet(gaussian(x), gaussian(x[:, :5]))


def test_frechet_at_infinity_takes_the_bias_away():
    real = np.zeros(32), np.eye(32)
    fake = normal(600, 32, 0, shift=0.1)
    true = 32 * 0.1**2
    biased, better = frechet(real, gaussian(fake)), frechet_infinity(real, fake)
    assert biased > 1.5 * true
    assert abs(better - true) < 0.3 * (biased - true)


def test_frechet_at_infinity_is_never_below_zero():
    real = np.zeros(8), np.eye(8)
    values = [frechet_infinity(real, normal(12, 8, seed)) for seed in range(40)]
    assert min(values) == 0 and max(values) > 0


# -- KID


def test_kid_equals_the_sums_written_out():
    x, y = cloud(9, 5, 1), cloud(9, 5, 2)

    def kernel(a, b):
        return (np.dot(a.astype(np.float64), b) / 5 + 1) ** 3

    pairs = [(i, j) for i in range(9) for j in range(9) if i != j]
    within = sum(kernel(x[i], x[j]) + kernel(y[i], y[j]) for i, j in pairs) / (9 * 8)
    between = sum(kernel(a, b) for a in x for b in y) / 81
    mean, spread = kid(x, y, subsets=3)
    assert mean == pytest.approx(within - 2 * between, rel=1e-5)
    assert spread == pytest.approx(0, abs=1e-4 * abs(mean))


def test_the_squared_mmd_of_draws_from_one_distribution_is_zero_on_average():
    values = [squared_mmd(normal(60, 8, 2 * seed), normal(60, 8, 2 * seed + 1)) for seed in range(300)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error < 0.03
    assert kid(normal(60, 8, 0), normal(60, 8, 1, shift=0.5))[0] > 20 * error


# -- neighbours


@pytest.mark.parametrize("shift", [0, 0.5, 2])
def test_precision_recall_density_coverage_equal_prdc(shift):
    real, fake = cloud(300, 6, 1), cloud(250, 6, 1)[::-1] * 0.7 + np.float32(shift)
    theirs, ours = compute_prdc(real, fake, 5), prdc(real, fake)
    assert {key: ours[key] for key in theirs} == pytest.approx(theirs, abs=1e-9)
    assert 0 < ours["precision"] < 1


def test_nearest_finds_copies():
    real = cloud(200, 10)
    distance, index = nearest_neighbours(real[[7, 3, 150]] + np.float32(1e-4), real, k=2)
    assert index[:, 0].tolist() == [7, 3, 150]
    assert (distance[:, 0] < 0.01).all() and (distance[:, 1] > 0.1).all()
    assert prdc(real, real[:100] + np.float32(1e-4))["nearest"] < 0.01
    assert prdc(real[:100], real[100:])["nearest"] == pytest.approx(1, abs=0.25)


def test_neighbours_of_pictures_that_are_all_there_twice_are_numbers():
    real = np.repeat(cloud(10, 6), 2, axis=0)
    assert np.isfinite([*prdc(real, cloud(20, 6, 1)).values(), *prdc(real, real).values()]).all()


def test_neighbours_of_too_few_are_refused():
    with pytest.raises(GanlibError, match="6 nearest of 3 images"):
        prdc(cloud(3, 4), cloud(20, 4))


# -- tensors: on a GPU all of it is computed with them


def test_tensors_have_the_distances_of_arrays():
    real, fake = cloud(300, 12, 1), cloud(260, 12, 2)
    tensors = torch.from_numpy(real), torch.from_numpy(fake)
    stats = gaussian(real), gaussian(fake)
    on_device = [tuple(map(torch.from_numpy, one)) for one in stats]
    assert frechet(*on_device) == pytest.approx(frechet(*stats), rel=1e-10)
    limits = [frechet_infinity(stats[0], x) for x in (tensors[1], fake)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-8)
    assert torch.equal(random_rows(tensors[0], 40, 7), torch.from_numpy(random_rows(real, 40, 7)))
    of_arrays = kid(real, fake, subsets=5, size=100)
    assert kid(*tensors, subsets=5, size=100) == pytest.approx(of_arrays, rel=1e-10)
    assert prdc(*tensors) == pytest.approx(prdc(real, fake), rel=1e-10)
    for one, other in zip(nearest_neighbours(*tensors, k=3), nearest_neighbours(real, fake, k=3)):
        assert isinstance(one, np.ndarray) and np.array_equal(one, other)
    numbers = [*prdc(*tensors).values(), frechet(*on_device), *kid(*tensors, subsets=2, size=50)]
    assert {type(number) for number in numbers} == {float}


# -- images


def test_order_and_batch_size_change_nothing(drawn, drawn_features):
    order = np.random.default_rng(0).permutation(60)
    real, fake = drawn_features[80:], drawn_features[:60]
    again = lite((drawn[order[i:i + 25]] for i in range(0, 60, 25)), batch=7)  # in parts as well
    numbers = []
    for x in fake, again:
        distances = [frechet(gaussian(real), gaussian(x)), frechet_infinity(gaussian(real), x, points=2)]
        numbers.append([*distances, *kid(real, x, size=40), *prdc(real, x).values()])
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-6)


def test_what_is_worse_is_measured_as_worse(drawn, drawn_features):
    real, rest = drawn_features[80:], drawn[:80]

    def blurred(radius):
        filtered = [Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius)) for x in rest]
        return np.stack([np.asarray(image) for image in filtered])

    def noisy(level):
        noise = np.random.default_rng(0).normal(0, level, rest.shape)
        return (rest + noise).clip(0, 255).astype(np.uint8)

    def measure(x):
        distances = {"fd": frechet(gaussian(real), gaussian(x)), "kid": kid(real, x, size=80)[0]}
        return distances | prdc(real, x)

    good = measure(drawn_features[:80])
    for little, much in ((blurred(0.7), blurred(1.5)), (noisy(8), noisy(25))):
        a, b = measure(lite(little)), measure(lite(much))
        assert good["fd"] < a["fd"] < b["fd"] and good["kid"] < a["kid"] < b["kid"]
        assert good["precision"] > b["precision"] and good["coverage"] > b["coverage"]
        assert good["density"] > a["density"]
    few = measure(np.tile(drawn_features[:5], (16, 1)))  # five modes
    assert few["fd"] > good["fd"] and few["kid"] > good["kid"]
    assert few["recall"] < good["recall"] / 2 and few["coverage"] < good["coverage"] / 2
    assert few["precision"] > 0.5  # which only says that the five are good


@pytest.mark.skipif(bool(detector_trouble()), reason="no face detector")
def test_faces_and_the_eyes_colours(drawn):
    found = face_numbers(drawn[:60], progress=False)
    assert found["faces"] > 0.9 and 0 <= found["eye_gap"] < 60
    tinted = drawn[:60].copy()
    tinted[:, :, 32:] = tinted[:, :, 32:, ::-1]  # red and blue change places on one side
    assert face_numbers(tinted, progress=False)["eye_gap"] > found["eye_gap"] + 15
    assert face_numbers(random_images(4, 64), progress=False) == {"faces": 0.0}


def test_real_faces_are_nearer_to_real_faces_than_drawn_ones(real_faces, drawn_features, tmp_path):
    with zipfile.ZipFile(real_faces / "anime-faces.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith((".png", ".jpg"))][:240]
        pictures = [Image.open(io.BytesIO(archive.read(name))) for name in names]
    real = np.stack([np.asarray(picture.convert("RGB").resize((64, 64))) for picture in pictures])
    x = lite(pack(make_report(real), tmp_path / "pack").images)
    one, other, drawn = (gaussian(some) for some in (x[::2], x[1::2], drawn_features[::2]))
    assert frechet(one, drawn) > 2 * frechet(one, other)
