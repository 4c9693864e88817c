"""Fixtures of the evaluation tests."""
import numpy as np
import pytest
from torch.nn.functional import adaptive_avg_pool2d

from ganlib.data.synthetic import face
from ganlib.evaluation.features import features


def thumbnail(x):
    """Features that cost nothing: images (B, 3, H, W) to the 48 numbers of a 4x4 thumbnail."""
    return adaptive_avg_pool2d(x, 4).flatten(1)


@pytest.fixture
def thumbnails(monkeypatch, tmp_path):
    """Thumbnails as features, and a data folder of one's own."""
    monkeypatch.setattr("ganlib.evaluation.features.feature_network", lambda kind, device: thumbnail)
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="session")
def drawn():
    """240 drawn faces of 64 pixels."""
    return np.stack([face(i)[0] for i in range(240)])


@pytest.fixture(scope="session")
def drawn_features(drawn):
    """What EfficientNet-Lite0 says of them."""
    return features(drawn, progress=False)
