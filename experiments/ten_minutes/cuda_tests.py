"""Phase (a): the tests that only a GPU can run. Each result is in the report as soon as it is there."""
import pytest
import torch

from ganlib.machine.device import pick_device

from .carried import ROOT
from .here import on
from .results import Report


class Recorder:
    """A plugin of pytest that writes each test's result into the report."""

    def __init__(self, report, where):
        self.report = report
        self.section = {"on": where, "state": "running", "counts": {}, "results": {}}

    def pytest_runtest_logstart(self, nodeid, location):
        self.write(f"in {nodeid}")

    def pytest_runtest_logreport(self, report):
        # of a test that passes its call counts; of others, set-up and what comes after may be what failed
        if report.when != "call" and report.outcome == "passed":
            return
        results, counts = self.section["results"], self.section["counts"]
        results[report.nodeid] = {"outcome": report.outcome, "seconds": round(report.duration, 2),
                                  "reason": _reason(report)}
        counts.clear()
        for result in results.values():
            counts[result["outcome"]] = counts.get(result["outcome"], 0) + 1

    def pytest_collectreport(self, report):
        if report.outcome == "failed":
            self.section["results"][report.nodeid] = {"outcome": "not collected", "seconds": 0,
                                                      "reason": str(report.longrepr)[-2_000:]}

    def write(self, state):
        self.section["state"] = state
        self.report.put("tests", self.section)


def _reason(report):
    """Why a test failed or was skipped, in so many characters as one reads."""
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):  # (file, line, words) of a skipped test
        return str(report.longrepr[2])
    return str(report.longrepr)[-2_000:]


def run(job):
    """Run all tests named test_cuda*.py. Without a GPU they are skipped, and reported so."""
    files = sorted(map(str, (ROOT / "tests").rglob("test_cuda*.py")))
    recorder = Recorder(Report(job.out), on(pick_device(job.device)[0]))
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    code = pytest.main([*options, *files], plugins=[recorder])
    words = pytest.ExitCode(code).name.lower().replace("_", " ")
    skipped = "" if torch.cuda.is_available() else "; skipped, for want of a GPU"
    recorder.write(f"ended: {words}{skipped}")
