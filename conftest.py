"""How tests and notebooks are shared out among processes (pytest -n 2, as in the Makefile)."""
import os

import pytest

# Every process has data of its own, as if it were alone
if "PYTEST_XDIST_WORKER" in os.environ and "GANLIB_DATA" in os.environ:
    os.environ["GANLIB_DATA"] += f"/{os.environ['PYTEST_XDIST_WORKER']}"


@pytest.hookimpl(optionalhook=True)  # there is no such hook where pytest-xdist is not installed
def pytest_xdist_make_scheduler(config, log):
    """One process has all tests of a file, for their fixtures. One has all notebooks: they share runs."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return "notebooks" if file.startswith("notebooks/") else file

    return ByFile(config, log)
