"""The one exception that ganlib raises for input a user can mend, and the check for space on a disk."""
import shutil


class GanlibError(Exception):
    """Says what was found, what was expected and what to do next, in one or two lines.

    The shell verbs print it without a traceback and exit with 2; in a notebook it is shown
    without one as well.
    """

    def _render_traceback_(self):  # IPython's hook for how an exception is displayed
        return [f"{type(self).__name__}: {self}"]


def need_space(folder, size, advice):
    """Raise GanlibError where the disk of `folder` has less than `size` bytes left.

    To be asked before a memory-mapped file is made: on a full disk it would kill the process.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise GanlibError(f"No space left for {size / 1e6:,.0f} MB in {folder} ({free / 1e6:,.0f} MB are free): {advice}")
