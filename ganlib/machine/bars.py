"""Progress bars that leave text: where a notebook is opened again, one of widgets is an error message."""
from tqdm.auto import tqdm

IN_NOTEBOOK = any(kind.__name__ == "tqdm_notebook" for kind in tqdm.__mro__)


class Bar(tqdm):
    """tqdm. In a notebook its widget gives way to a line of text when it closes."""

    handle = None  # of what is on display

    def __init__(self, *args, **kwargs):
        if not IN_NOTEBOOK:
            super().__init__(*args, **kwargs)
            return
        super().__init__(*args, **(kwargs | {"display": False}))
        if not self.disable and self.delay <= 0:
            self._show()

    def _show(self):
        from IPython.display import display  # not at the top: a terminal has no need of it

        self.handle = display(self.container, display_id=True)
        self.displayed = True

    def display(self, *args, **kwargs):
        if IN_NOTEBOOK and kwargs.get("check_delay", True) and self.delay > 0 and not self.displayed:
            self._show()
        return super().display(*args, **kwargs)

    def close(self):
        super().close()
        if self.handle:
            text = self.format_meter(**(self.format_dict | {"ncols": None})) if self.leave else ""
            self.handle.update({"text/plain": text}, raw=True)
            self.handle = None
