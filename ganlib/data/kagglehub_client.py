"""Downloading a public Kaggle data set without an account, with Kaggle's kagglehub."""
import contextlib
import io
import logging
import os
import shutil
from pathlib import Path

from ..errors import GanlibError
from .kaggle_client import HOW_TO_LOG_IN, cannot_connect, is_no_connection

TRIES = 5  # how often a download that is cut off goes on by itself, if each try brings more of it
REFUSED = (401, 403)  # replies to those who may not have a set


def download_public(dataset, store, progress):
    """The folder (Path) with the files of a public Kaggle set, "owner/name" or "owner/name/version".

    Inside Kaggle, and where Colab has the set at hand, it is attached: its folder is then outside of `store`,
    and read only. Anywhere else it is downloaded into the folder `store` and unpacked there. What is there of
    the download already is not downloaded again. Raises GanlibError, and OSError where the disk is at fault.
    """
    owner, name, *version = dataset.split("/")
    handle = "/".join([owner, name, *(["versions", *version] if version else [])])
    with _quietly(store, progress):
        for left in reversed(range(TRIES)):
            before = _bytes_in(store)
            try:
                return Path(_kagglehub().dataset_download(handle))
            except Exception as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                if left and _is_cut_off(error) and _bytes_in(store) > before:
                    continue
                raise _told(error, dataset, store) from error
    raise AssertionError("the last try returns or raises")


def _kagglehub():
    try:
        import kagglehub
    except ImportError as error:
        raise GanlibError("Kaggle's sets are downloaded with kagglehub, which is not installed here: run "
                          "`pip install kagglehub`, then call again.") from error
    return kagglehub


@contextlib.contextmanager
def _quietly(store, progress):
    """Make `store` the cache of kagglehub, and let it say nothing but its progress."""
    loggers = [logging.getLogger(name) for name in ("kagglehub", "kagglesdk")]
    levels = [logger.level for logger in loggers]
    cache = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(store)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        if not progress:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            with contextlib.suppress(GanlibError):
                _kagglehub()  # it sets its own levels when it is imported
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            os.environ.pop("KAGGLEHUB_CACHE")
            if cache is not None:
                os.environ["KAGGLEHUB_CACHE"] = cache


def _bytes_in(folder):
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def _is_cut_off(error):
    """Whether a download broke off: a server that answers with a status did not."""
    import requests

    return isinstance(error, requests.RequestException) and error.response is None


def _told(error, dataset, store):
    """The GanlibError for what kagglehub raised."""
    if isinstance(error, GanlibError):
        return error
    if is_no_connection(error):
        return cannot_connect(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    page = f"https://www.kaggle.com/datasets/{dataset}"
    if status in REFUSED:
        return GanlibError(f"Kaggle does not give {dataset} without a login ({status}): it is private, asks "
                           f"for your consent, or has another name. Look at {page}. For a login you need a "
                           f"token: {HOW_TO_LOG_IN}")
    if status == 404:
        return GanlibError(f"Kaggle has no set {dataset} (404): check the name. It is the end of the address "
                           f"of its page, {page}.")
    why = " ".join(str(error).split(" for url")[0].split())[:200] or type(error).__name__
    if status is not None or _is_cut_off(error):
        return GanlibError(f"The download of {dataset} from Kaggle broke off ({why}): call again to go on.")
    shutil.rmtree(store, ignore_errors=True)  # damaged: going on with it would only fail again
    return GanlibError(f"What Kaggle sent of {dataset} was removed, call again to get it anew: {why}")
