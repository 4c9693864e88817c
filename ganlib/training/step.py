"""One update of D and one of G, as the papers have it.

Nothing here knows a file, a clock, a budget or a progress bar. Real images, their labels and z come in. So
does `dice`, the torch.Generator that everything else is drawn from: noise, augmentations, styles to mix.
(Dropout is the one layer that draws by itself, from torch's global generator.) The host never waits for the
device, but where a gate has to read a loss. (With fp16, an optimizer that is not fused waits as well.)

What changes from update to update lies in tensors on the device: learning rates, the fade, the strength of
the noise. So an update can be recorded once, and replayed.
"""
import copy
from dataclasses import dataclass, field
from functools import partial

import torch
from torch.nn.functional import avg_pool2d, interpolate
from torch.nn.utils import get_total_norm

from ..machine.processes import world
from ..machine.sums import follow
from ..models.build import build_networks
from ..models.labels import guess_loss, hidden
from ..runs.places import freeze
from ..seeding import normal_like
from .augment import Adaptive, augment
from .losses import LOSSES, NEEDS_REAL, PENALTIES, SIGMOID, clip_weights, noisy_labels
from .optimizers import build_optimizer, set_rate


@dataclass
class Told:
    """What an update tells the log, as scalars on the device.

    averaged: over all updates since the last record; newest: of the last update alone.
    """

    averaged: dict = field(default_factory=dict)
    newest: dict = field(default_factory=dict)


class Step:
    """G, D, the averaged G, and their optimizers; calling it does one update.

    config: a Config; device, dtype: as `pick_device` gives them. recorder: a Recorder, or None where each
    update runs as it is. Where several processes train together, each has the same networks.
    """

    def __init__(self, config, device, dtype, recorder=None):
        self.config, self.device, self.dtype, self.recorder = config, device, dtype, recorder
        self.world = world()
        G, D = build_networks(config)
        self.G = G.to(device, memory_format=torch.channels_last).train()
        self.D = D.to(device, memory_format=torch.channels_last).train()
        self.G_ema = copy.deepcopy(self.G).requires_grad_(False)
        self.G, self.D = self.world.with_shared_norms(self.G), self.world.with_shared_norms(self.D)
        self.fade, self.noise, self.hidden, self.ema_weight = torch.zeros(4, device=device)
        self.resolution = config.resolution
        self.networks = {"g": self.G, "d": self.D}
        self.d_learns = freeze(self.D, config.freeze_d)  # what is frozen has no gradients in any case
        self.adaptive = Adaptive(config).to(device) if config.augment_target else None
        if self.adaptive:
            self.networks["augment"] = self.adaptive
        self.optimizers = {"g": build_optimizer(config, self.G, config.lr_g),
                           "d": build_optimizer(config, self.D, config.lr_d)}
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        self.autocast = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
        self.loss_d, self.loss_g = LOSSES[config.loss]
        self.penalty = PENALTIES[config.penalty]  # None where no update has one

    def __call__(self, real, c, z, at, dice, with_g=True, measure=False, ema=None):
        """One update of D, and one of G where with_g. Returns what they Told, good until the next call.

        real: (B, 3, R, R) in [-1, 1]; c: the labels of these images that the recipe names, int64 (B, K), -1
        where unknown; z: (B, z_dim) ~ N(0, 1), all on the device. at: the Moment of the schedule. measure:
        also tell what costs time to find out. ema: how much of the averaged G stays, from 0 to 1; None leaves
        it as it is.
        """
        self._set_schedule(at, ema)
        average = ema is not None
        if not self.recorder:
            return self.update(real, c, z, at, dice, with_g, measure, average)

        def update(real, c, z):
            told = self.update(real, c, z, at, dice, with_g, measure, average)
            return told.averaged, told.newest

        kind = at.resolution, at.fade < 1, at.batch, at.penalised, with_g, measure, average
        return Told(*self.recorder(kind, update, (real, c, z)))

    def update(self, real, c, z, at, dice, with_g, measure, average):
        """What a call does, after the schedule is set."""
        told = Told()
        self.d_learns.requires_grad_(True)  # an update of G that broke off may have left it without
        real = at_moment(real, at, self.fade)
        if self.config.labels:  # G is asked for what these real images are, and at times it is not told all
            c = hidden(c, self.hidden, dice)
        # both networks learn from the same pictures; without G's turn no way back through G is kept
        with self.autocast, torch.set_grad_enabled(with_g):
            fake = self.G(z, c, dice)
        if with_g and self.config.first == "g":
            self.update_g(real, fake, c, at, dice, told, measure)
        self.update_d(real, fake.detach(), c, at, dice, told, measure)  # detached: D's loss is not to move G
        if with_g and self.config.first == "d":
            self.update_g(real, fake, c, at, dice, told, measure)
        if average:
            self.average()
        return told

    def update_g(self, real, fake, c, at, dice, told, measure):
        """G learns to have its pictures taken for real ones."""
        config = self.config
        self.d_learns.requires_grad_(False)  # no gradients of D's weights are needed here
        d_real = None
        with self.autocast:
            d_fake, guesses = self.D(self._as_d_sees(fake, at, dice), c, with_guesses=True)
            if config.loss in NEEDS_REAL:
                d_real = self.D(self._as_d_sees(real, at, dice), c)
        loss = self.loss_g(d_fake, config.g_label, d_real)
        told.averaged["loss_g"] = loss.detach()
        if config.first == "d":  # the same pictures as before D's update
            told.averaged["d_fake_g"] = self._answer(d_fake)
        self._learn("g", loss + self._guess_loss("g", guesses, c, told), told, measure)
        self.d_learns.requires_grad_(True)

    def update_d(self, real, fake, c, at, dice, told, measure):
        """D learns to tell real pictures from generated ones."""
        config = self.config
        seen_real = self._as_d_sees(real, at, dice)
        seen_fake = self._as_d_sees(fake, at, dice)
        with self.autocast:
            d_real, guesses = self.D(seen_real, c, with_guesses=True)
            d_fake = self.D(seen_fake, c)
        loss = self.loss_d(d_real, d_fake, *self._targets(len(real), dice))
        told.averaged["loss_d"] = loss.detach()
        told.averaged["d_real"] = self._answer(d_real)
        told.averaged["d_fake"] = self._answer(d_fake)
        told.averaged["accuracy"] = (d_real > d_fake).float().mean()  # how often D is right about a pair
        if self.adaptive:
            self.adaptive.follow(d_real, d_fake)
            told.averaged |= {"augment_p": self.adaptive.p.clone(), "r_t": self.adaptive.r_t.clone()}
        if at.penalised:
            penalty = self.penalty(partial(self.D, c=c), seen_real, seen_fake, dice)
            told.averaged["penalty"] = penalty.detach()
            # a lazy penalty comes once in so many updates, and makes up for those that had none
            loss = loss + config.penalty_weight * config.penalty_every * penalty
        self._learn("d", loss + self._guess_loss("d", guesses, c, told), told, measure)
        if config.clip:
            clip_weights(self.D, config.clip)
        if measure and config.first == "g":
            told.newest["d_fake_g"] = self._answer_now(seen_fake, c)

    @torch.no_grad()
    def average(self):
        """Move the averaged G towards G."""
        follow(list(self.G_ema.parameters()), list(self.G.parameters()), self.ema_weight)

    @torch.no_grad()
    def averaged_generator(self, at, zs):
        """The averaged G in eval mode, at the resolution of a Moment.

        What depends on its weights (the statistics of batch norm, the mean of w) is estimated anew from the
        batches of z (B, z_dim) in zs.
        """
        if self.config.grow:
            self.G_ema.grow(at.resolution, at.fade)
        with self.autocast:
            self.G_ema.calibrate([z.to(self.device) for z in zs])
        return self.G_ema.eval()

    def remember_labels(self, rows):
        """Give the generators labels (ROWS, K) of training images, to draw from where none are asked for."""
        for G in (self.G, self.G_ema):
            G.embed.rows.copy_(rows)

    def _set_schedule(self, at, ema):
        """Resolution, fade, noise, learning rates and average of a Moment."""
        if self.config.grow:
            self.G.grow(at.resolution, at.fade)
            self.D.grow(at.resolution, at.fade)
        if self.recorder and at.resolution != self.resolution:
            self.recorder.forget()
        self.resolution = at.resolution
        self.fade.fill_(at.fade)
        self.noise.fill_(at.noise)
        self.hidden.fill_(at.hidden)
        self.ema_weight.fill_(0 if ema is None else 1 - ema)
        set_rate(self.optimizers["g"], 0.0 if at.g_waits else self.config.lr_g * at.rate)
        set_rate(self.optimizers["d"], self.config.lr_d * at.rate)

    def _as_d_sees(self, x, at, dice):
        """Pictures as D sees them: with instance noise, and augmented."""
        if self.config.instance_noise:
            x = x + self.noise * normal_like(x, dice)
        return augment(x, self.config.augment, dice, self.adaptive.p if self.adaptive else None)

    def _targets(self, n, dice):
        """What D is to say of real and of generated images: numbers, or n noisy ones each."""
        targets = self.config.real_label, self.config.fake_label
        if not self.config.label_noise:
            return targets
        return [noisy_labels(target, n, self.config.label_noise, self.device, dice) for target in targets]

    def _guess_loss(self, name, guesses, c, told):
        """The auxiliary classifier's loss: D learns it from real pictures, and G to be read as asked."""
        if not (self.config.labels and self.config.guess_weight):
            return 0.0
        loss = guess_loss(guesses, c)
        told.averaged[f"guess_{name}"] = loss.detach()
        return self.config.guess_weight * loss

    def _answer(self, logits):
        """The mean of D(x): a probability where the loss is of that kind, else a score."""
        logits = logits.detach()
        return (logits.sigmoid() if self.config.loss in SIGMOID else logits).mean()

    def _answer_now(self, fake, c):
        """D(G(z)) of the same pictures after D's update; D's statistics stay as they were."""
        buffers = [buffer.clone() for buffer in self.D.buffers()]
        with torch.no_grad(), self.autocast:
            answer = self._answer(self.D(fake, c))
        for buffer, before in zip(self.D.buffers(), buffers, strict=True):
            buffer.copy_(before)
        return answer

    def _gate_is_open(self, name, loss, told):
        """Whether a network may learn from this loss. Only here does the host wait for the device."""
        gate = {"g": self.config.g_gate, "d": self.config.d_gate}[name]
        if not gate:
            return True
        value = self.world.means([loss.item()])[0]
        is_open = value > gate if name == "g" else value >= gate
        told.averaged[f"skipped_{name}"] = float(not is_open)
        return is_open

    def _learn(self, name, loss, told, measure):
        """One step of a network's optimizer, unless its gate is closed."""
        if not self._gate_is_open(name, loss, told):
            return
        optimizer = self.optimizers[name]
        optimizer.zero_grad()
        self.scaler.scale(loss).backward()
        parameters = [p for p in self.networks[name].parameters() if p.grad is not None]
        self.world.average([p.grad for p in parameters])
        if measure:
            self.scaler.unscale_(optimizer)
            told.newest[f"grad_{name}"] = self._length([p.grad for p in parameters])
        self.scaler.step(optimizer)
        self.scaler.update()

    def _length(self, gradients):
        """The length of gradients as one vector; 0 where fp16 was too small for them: then nothing moves."""
        length = get_total_norm(gradients)
        return length.nan_to_num(0, 0) if self.scaler.is_enabled() else length


def at_moment(x, at, fade=None):
    """Real images (B, 3, R, R) at the resolution of a Moment, faded in as the networks' pictures are.

    fade: that of the Moment as a tensor, for a step that is recorded. Karras et al. 2017,
    https://arxiv.org/abs/1710.10196, sec. 3.
    """
    if x.shape[-1] > at.resolution:
        x = avg_pool2d(x, x.shape[-1] // at.resolution)
    if at.fade < 1:
        coarse = interpolate(avg_pool2d(x, 2), scale_factor=2)
        x = coarse.lerp(x, at.fade if fade is None else fade)
    return x
