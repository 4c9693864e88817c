"""How far the gradients of R1, R2 and GP differ between precisions.

The library computes its penalties in fp32, whatever the rest is in. Here they are computed in several
precisions. What is compared is the gradient that they give D's weights, with that of exact fp32.
"""
import tempfile

import torch

from ganlib.data.batching import batches
from ganlib.data.packs import load_pack
from ganlib.machine.device import DTYPES, pick_device
from ganlib.models.build import build_networks
from ganlib.models.sampling import latents
from ganlib.models.store import load_generator
from ganlib.runs.states import state_files
from ganlib.tensors import read_safetensors
from ganlib.training.loop import train

from .recipes import at_full_size, recipe

NAMES = ("stylegan-fast", "stylegan", "wgan-gp")  # one of each kind of network that has a penalty
BATCH = 32
STEPS = 64  # of training before: fresh weights are a special case; a rehearsal has 4


def penalties(job):
    """{"rows": the differences of each kind of network}."""
    device, _ = pick_device(job.device)
    rows = []
    for name in NAMES[:1] if job.rehearsal else NAMES:
        D, real, fake = after_training(name, job, device)
        rows += [{"preset": name} | row for row in differences(D, real, fake)]
    return {"rows": rows}


def after_training(name, job, device):
    """(D, real pictures, generated ones) after a short training; the pictures (B, 3, R, R) in [-1, 1]."""
    steps, changes = (4, {}) if job.rehearsal else (STEPS, {"batch": BATCH})
    config = at_full_size(recipe(name, job, frames=0, generators=0, **changes))
    config = config.replace(images=steps * config.batch)
    pack = load_pack(job.pack)
    with tempfile.TemporaryDirectory(dir=job.work) as folder:
        train(config, pack, folder, progress=False)
        tensors, _ = read_safetensors(state_files(folder)[0])
        G = load_generator(folder, device).G
    D = build_networks(config)[1]
    if config.grow:
        D.grow(config.resolution, 1.0)
    of_d = [key for key in tensors if key.startswith("d.")]
    D.load_state_dict({key.removeprefix("d."): tensors[key] for key in of_d})
    real, _ = next(batches(pack, config.batch, device=device))
    with torch.no_grad():
        fake = G(latents(config.batch, config.z_dim).to(device))
    return D.to(device).train(), real, fake


def differences(D, real, fake):
    """[{"penalty", "precision", "difference", "cosine"}, ...] against exact fp32.

    difference: the length of the difference of two gradients over that of the exact one.
    """
    between = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1, device=real.device))
    rows = []
    for name, x in (("R1", real), ("R2", fake), ("GP", between)):
        exact = gradient(D, name, x, torch.float32)
        for words, dtype, tf32 in precisions(real.device):
            other = gradient(D, name, x, dtype, tf32)
            difference = ((other - exact).norm() / exact.norm()).item()
            cosine = torch.nn.functional.cosine_similarity(other, exact, 0).item()
            rows.append({"penalty": name, "precision": words, "difference": difference, "cosine": cosine})
    return rows


def precisions(device):
    """[(words, dtype of autocast, whether convolutions may use TF32), ...] to compare with exact fp32."""
    if device.type == "cpu":
        return [("fp32 again", torch.float32, False), ("autocast bf16", DTYPES["bf16"], False)]
    return [("fp32 again", torch.float32, False), ("fp32 with TF32", torch.float32, True),
            ("autocast bf16", DTYPES["bf16"], True), ("autocast fp16", DTYPES["fp16"], True)]


def gradient(D, name, x, dtype, tf32=False):
    """The gradient that a penalty at the pictures x gives all weights of D, as one vector in float64."""
    autocast = torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32)
    weights = list(D.parameters())
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=tf32):
        x = x.detach().float().requires_grad_()
        with autocast:
            slopes = torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].float().flatten(1)
        if name == "GP":  # Gulrajani et al. 2017, eq. 3
            value = (slopes.norm(dim=1) - 1).square().mean()
        else:  # Mescheder et al. 2018, eq. 9
            value = 0.5 * slopes.square().sum(1).mean()
        found = torch.autograd.grad(value, weights, allow_unused=True)
    pairs = zip(found, weights, strict=True)
    return torch.cat([(torch.zeros_like(w) if g is None else g).double().flatten() for g, w in pairs])
