"""Which files are pictures, in a folder or an archive, and which are passed over and why."""
import os
import stat
from collections import defaultdict

from ..errors import GanlibError
from .decoding import HEAD, SUFFIXES, is_picture, readable
from .labels import find_labels

WAYS = 'the path of an archive (.zip, .tar.gz) or of a folder of images, "kaggle:owner/name" or "synthetic"'
TEXTS = (".csv", ".txt")  # never pictures, whatever they begin with
ARCHIVES = (".7z", ".bz2", ".gz", ".rar", ".tar", ".tbz", ".tgz", ".txz", ".xz", ".zip")
OURS = ".ganlib-"  # how the files begin that fetch leaves in a folder for itself


def image_files(folder):
    """Sorted paths, relative to `folder`, of all picture files in it. See `look_through`."""
    return look_through(folder)[0]


def look_through(folder, labels=None):
    """(files, passed_over) of a folder: the sorted paths of its pictures, and (path, why not) of the rest.

    All paths are relative to `folder`. A file is a picture by its suffix, or, where it has none or another,
    by how it begins. Linked folders are followed, but not back up and not twice. What is hidden is passed
    over, and so is every labels.csv but the one that is used. The files are named as Python names them,
    those passed over as `readable` does.

    labels: the CSV that is used, where it is not the folder's own. Raises GanlibError where there is no
    picture at all.
    """
    named = readable(str(folder))
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        raise GanlibError(f"There is no folder {named} that can be read: fetch images first, or name "
                          "another.")
    if (folder / "images.npy").is_file() and (folder / "manifest.csv").is_file():
        raise GanlibError(f"{named} is a pack already, cleaned and packed: open it with load_pack.")
    search = _Search(folder)
    search.run()
    if not search.files:
        raise GanlibError(_nothing(folder, search.passed_over))
    search.pass_over_labels(labels or find_labels(folder, sorted(search.files)))
    return sorted(search.files), sorted(search.passed_over)


def why_not(name, head):
    """"" for a picture, else why a file is none; head: a function that gives its first HEAD bytes."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in SUFFIXES.split():
        return ""
    if suffix not in TEXTS and is_picture(head()):
        return ""
    if suffix in ARCHIVES:
        return "archive inside, to be unpacked first"
    return f"no picture that can be read, {suffix if suffix.strip('.') else 'without suffix'}"


def is_hidden(name):
    """Whether a file or folder of this name is hidden, or holds what macOS adds to an archive."""
    return name.startswith(".") or name == "__MACOSX"


def not_taken(passed_over):
    """What was passed over, a list of (path, why), as one line; "" where there is nothing."""
    names = defaultdict(list)
    for name, why in passed_over:
        names[why].append(name)
    groups = []
    for why, some in sorted(names.items(), key=lambda item: -len(item[1])):
        more = ", ..." if len(some) > 2 else ""
        groups.append(f"{why}: {len(some):,} ({', '.join(some[:2])}{more})")
    return f"Not taken: {'; '.join(groups)}." if groups else ""


class _Search:
    """A walk through a folder that notes what is taken and what is not."""

    def __init__(self, folder):
        self.folder = os.fspath(folder)
        self.root = os.path.realpath(folder)
        self.files = []
        self.passed_over = []
        self.tables = []  # every labels.csv
        self.entered = set()  # real paths
        self.links = []  # to folders, to be followed when all else is known

    def run(self):
        self.walk(self.folder)
        while self.links:
            link = self.links.pop(0)
            target = os.path.realpath(link)
            if self.root == target or self.root.startswith(os.path.join(target, "")):
                self.pass_over(link, "linked folder that leads back up")
            elif target in self.entered:
                self.pass_over(link, "linked folder that is taken already")
            else:
                self.walk(link)

    def walk(self, top):
        for here, folders, names in os.walk(top, onerror=self.cannot_enter):
            real = os.path.realpath(here)
            if real in self.entered:  # through a link before
                folders.clear()
                continue
            self.entered.add(real)
            folders[:] = [name for name in sorted(folders) if self.is_entered(here, name)]
            for name in sorted(names):
                self.look_at(os.path.join(here, name), name)

    def is_entered(self, here, name):
        path = os.path.join(here, name)
        if is_hidden(name):
            self.pass_over(path, "hidden")
        elif os.path.islink(path):
            self.links.append(path)
        else:
            return True
        return False

    def look_at(self, path, name):
        if name.startswith(OURS):
            return
        if name == "labels.csv":
            self.tables.append(path)
            return
        try:
            why = "hidden" if is_hidden(name) else why_not(name, lambda: _head(path))
        except OSError as error:
            why = f"file that cannot be read, {error.strerror}"
        if why:
            self.pass_over(path, why)
        else:
            self.files.append(self.relative(path))

    def cannot_enter(self, error):
        self.pass_over(error.filename, f"folder that cannot be read, {error.strerror}")

    def pass_over_labels(self, used):
        """Note every labels.csv but the one that is used."""
        for path in self.tables:
            if used is None or os.path.realpath(path) != os.path.realpath(used):
                self.pass_over(path, "labels.csv that is not used")

    def pass_over(self, path, why):
        self.passed_over.append((readable(self.relative(path)), why))

    def relative(self, path):
        return path.removeprefix(os.path.join(self.folder, "")).replace(os.sep, "/")


def _head(path):
    """The first bytes of a file; none of a pipe or a device, which might never give any."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        return b""
    with open(path, "rb") as file:
        return file.read(HEAD)


def _nothing(folder, passed_over):
    """The words for a folder without pictures."""
    suffixes = (".zip", ".tar", ".tgz", ".gz")
    archives = [str(path) for path in folder.iterdir() if path.suffix in suffixes]
    wanted = f"did you mean {readable(min(archives))}?" if archives else f"expected {WAYS}."
    found = f"{readable(str(folder))} holds no image files ({SUFFIXES})"
    return f"{found}: {wanted} {not_taken(passed_over)}".rstrip()


def has_pictures(folder, among):
    """Whether there is a picture among the first files of a folder, by its name. among: about how many."""
    seen = 0
    for _, _, names in os.walk(folder):
        if any(os.path.splitext(name)[1].lower() in SUFFIXES.split() for name in names[:among]):
            return True
        seen += len(names)
        if seen > among:
            return False
    return False
