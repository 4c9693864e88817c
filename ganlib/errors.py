"""The one exception that ganlib raises for input a user can mend."""


class GanlibError(Exception):
    """Says what was found, what was expected and what to do next, in one or two lines.

    The shell verbs print it without a traceback and exit with 2; in a notebook it is shown
    without one as well.
    """

    def _render_traceback_(self):  # IPython's hook for how an exception is displayed
        return [f"{type(self).__name__}: {self}"]
