"""The one exception that ganlib raises for input a user can mend, and how its words are found."""
import contextlib
import difflib
import errno
import re
import traceback

# Other names that people know these losses by
ALSO_CALLED = {
    "gan": "minimax",
    "cross-entropy": "bce",
    "lsgan": "mse",
    "least squares": "mse",
    "wgan": "wasserstein",
}
# How torch, oneDNN and C++ say that there is no memory left, each in a RuntimeError. Where oneDNN "could not
# create a primitive descriptor", it cannot do that operation at all: that is another matter
NO_MEMORY = re.compile(
    "out of memory|can't allocate memory|cannot allocate memory|not enough memory|bad_alloc"
    "|could not create a memory|could not create a primitive(?! descriptor)",
    re.IGNORECASE,
)


class GanlibError(Exception):
    """Says what was found, what was expected and what to do next, in one or two lines.

    The shell verbs print it without a traceback and exit with 2; in a notebook it is shown
    without one as well.
    """

    def _render_traceback_(self):  # IPython's hook for how an exception is displayed
        return [f"{type(self).__name__}: {self}"]


class ElsewhereError(GanlibError):
    """What went wrong in another process of the same run, which says so itself: a shell verb keeps quiet."""


class LostError(GanlibError):
    """Another process of the same run has ended; it may have said why, or not."""


def did_you_mean(word, known):
    """' Did you mean ...?' for an unknown word, and the list of what there is."""
    word = str(word).lower()
    if ALSO_CALLED.get(word) in known:
        close = [ALSO_CALLED[word]]
    else:
        close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"{guess} Known: {', '.join(sorted(known))}."


@contextlib.contextmanager
def memory_advice(advice):
    """Turn an error of a CPU or GPU that is out of memory into a GanlibError that ends with `advice`.

    advice: what to lower, as a sentence, or a function that finds it. The function is called when the memory
    of the work that failed is free again. Other errors pass unchanged.
    """
    try:
        yield
        return
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # they hold what the work has made so far
        cause = error
    raise GanlibError(f"Out of memory. {advice() if callable(advice) else advice}") from cause


def is_out_of_memory(error):
    """Whether an exception says that there is no memory left, of a CPU or a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or bool(NO_MEMORY.search(str(error)))
