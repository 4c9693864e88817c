"""The one exception that ganlib raises for input a user can mend, and the check for space on a disk."""
import difflib


class GanlibError(Exception):
    """Says what was found, what was expected and what to do next, in one or two lines.

    The shell verbs print it without a traceback and exit with 2; in a notebook it is shown
    without one as well.
    """

    def _render_traceback_(self):  # IPython's hook for how an exception is displayed
        return [f"{type(self).__name__}: {self}"]

ALSO = {"gan": "minimax", "cross-entropy": "bce", "lsgan": "mse", "least squares": "mse", "wgan": "wasserstein"}  # names of losses


def did_you_mean(word, known):
    """' Did you mean ...?' for an unknown word, and the list of what there is."""
    word = str(word).lower()
    close = [ALSO[word]] if ALSO.get(word) in known else difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    return (f" Did you mean {close[0]!r}?" if close else "") + f" Known: {', '.join(sorted(known))}."
