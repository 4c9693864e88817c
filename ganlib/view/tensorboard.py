"""A run in TensorBoard: losses, indicators, sample sheets and the curve of quality, while it trains."""
import math

import numpy as np
from PIL import Image

from ..errors import GanlibError
from ..runs.folder import folder_of, read_scores, sample_files

TAGS = {  # key of the log: what it is called there; what stands before the slash is one section
    "loss_g": "loss/generator",
    "loss_d": "loss/discriminator",
    "d_real": "answers of D/real images",
    "d_fake": "answers of D/generated, before its update",
    "d_fake_g": "answers of D/generated, after its update",
    "accuracy": "indicators/accuracy of D",
    "diversity": "indicators/diversity",
    "grad_g": "indicators/gradient norm of G",
    "grad_d": "indicators/gradient norm of D",
    "penalty": "indicators/penalty",
    "skipped_g": "indicators/skipped updates of G",
    "skipped_d": "indicators/skipped updates of D",
    "guess_g": "labels/guessed, generated images",
    "guess_d": "labels/guessed, real images",
    "augment_p": "augmentation/how often",
    "r_t": "augmentation/r_t",
    "images_per_second": "speed/images a second",
}
QUALITY_TAG = "quality/FD-lite of kept generators"


class TensorBoardHook:
    """A hook for `train`, as in train(..., hook=TensorBoardHook(run)). It writes to RUN/tensorboard.

    The axis below is images seen. A run that goes on hides what an earlier leg had written beyond its
    checkpoint. Look at it with `tensorboard --logdir RUN/tensorboard`. Raises GanlibError where the package
    tensorboard is missing.
    """

    def __init__(self, run):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise GanlibError("This needs the package tensorboard, which is not installed: pip install "
                              f"tensorboard. ({error})") from error
        self.make_writer = SummaryWriter
        self.run = folder_of(run)
        self.writer = None
        self.shown = None  # the newest sheet that was written
        self.scored = set()  # images seen of the scores that were written

    def __call__(self, record):
        if self.writer is None:
            self.writer = self.make_writer(self.run / "tensorboard", purge_step=record["images"])
        for key, name in TAGS.items():
            if math.isfinite(record.get(key, math.nan)):
                self.writer.add_scalar(name, record[key], record["images"])
        self._add_sheet(self.writer, record["images"])
        self._add_scores(self.writer)

    def _add_sheet(self, writer, images):
        files = sample_files(self.run)
        if files and files[-1] != self.shown:
            self.shown = files[-1]
            with Image.open(self.shown) as sheet:
                pixels = np.asarray(sheet.convert("RGB"))
            writer.add_image("samples", pixels, images, dataformats="HWC")

    def _add_scores(self, writer):
        for images, fd in read_scores(self.run).items():
            if images not in self.scored:
                self.scored.add(images)
                writer.add_scalar(QUALITY_TAG, fd, images)

    def close(self):
        """Write what is missing, as scores that came after the run."""
        if self.writer is not None:
            self._add_scores(self.writer)
            self.writer.close()
            self.writer = None
