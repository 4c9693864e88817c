"""Downloading a data set with Kaggle's own client and a token, and what its errors mean."""
import io
import os
import re
import shutil
import sys
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

from ..errors import GanlibError

HOW_TO_LOG_IN = ("make one at https://www.kaggle.com/settings (API), then set KAGGLE_API_TOKEN, or "
                 "KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into ~/.kaggle.\n"
                 "Without an account: sets that are public come where there is no token at all; or give the "
                 'path of an archive or of a folder of images, or "synthetic".')


def kaggle_credentials():
    """Whether a Kaggle token is in the environment or where the kaggle client looks; asks no server."""
    if os.environ.get("KAGGLE_API_TOKEN") or {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= os.environ.keys():
        return True
    folders = [Path.home() / ".kaggle", Path.home() / ".config" / "kaggle"]
    if os.environ.get("KAGGLE_CONFIG_DIR"):
        folders.append(Path(os.environ["KAGGLE_CONFIG_DIR"]))
    return any((folder / name).is_file() for folder in folders for name in ("kaggle.json", "access_token"))


def download(dataset, store, progress):
    """Download the zip of a Kaggle data set ("owner/name" or "owner/name/version") into the folder `store`.

    What is there of it already is not downloaded again. Raises GanlibError, and OSError where the disk is at
    fault.
    """
    try:
        with _own_stdin():
            api = _login()
            api.dataset_download_files(dataset, path=str(store), quiet=not progress)
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if type(error) is ValueError:  # a wrong size: the client takes the text of an error reply for data
            shutil.rmtree(store, ignore_errors=True)
        raise _in_words(error, dataset) from error


@contextmanager
def _own_stdin():
    """Keep stdin open: without a token the client prints help and calls exit(), which closes it."""
    stdin = sys.stdin
    sys.stdin = io.StringIO()
    try:
        yield
    finally:
        sys.stdin = stdin


def _login():
    with redirect_stdout(io.StringIO()):
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
        api.authenticate()
    return api


def _in_words(error, dataset):
    """The GanlibError for what the client raised."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if is_no_connection(error):
        return cannot_connect(error)
    why = str(error).split(" for url")[0][:200] or type(error).__name__
    if status == 401:
        return GanlibError(f"Kaggle needs a token, and refused yours (401): {HOW_TO_LOG_IN}")
    if isinstance(error, (SystemExit, NameError)):  # NameError: IPython hides exit()
        return GanlibError(f"Kaggle needs a token, and none that works was found: {HOW_TO_LOG_IN}")
    if status in (403, 404):
        return GanlibError(f"Kaggle has no {dataset} for you ({status}: {why}): check the name, and "
                           f"accept its rules, at https://www.kaggle.com/datasets/{dataset}.")
    return GanlibError(f"The download of {dataset} from Kaggle broke off ({why}): call again to go on.")


def is_no_connection(error):
    """Whether an exception of requests says that a server was not reached at all."""
    import requests

    return isinstance(error, requests.ConnectionError) and hasattr(next(iter(error.args), None), "reason")


def cannot_connect(error):
    """The GanlibError for such an exception."""
    found = re.findall(r"\[Errno -?\d+\] ([^'\")\]]+)", str(error))
    why = found[-1] if found else type(error).__name__
    advice = "Check the connection, then call again."
    if os.environ.get("KAGGLE_KERNEL_RUN_TYPE"):
        advice = ("Switch it on in the notebook's Settings (Internet on), or attach the set with Add Input, "
                  "then call again.")
    return GanlibError(f"Kaggle cannot be reached, there seems to be no internet here ({why}). {advice} "
                       'Without it: give the path of an archive or of a folder of images, or "synthetic".')
