"""Generators on the Hugging Face Hub: addresses such as hf:name/repository, and the files behind them.

The files are fetched with the package huggingface_hub, into its own cache. They are safetensors and JSON:
nothing of them is executed.
"""
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ..errors import GanlibError

HUB = "hf:"  # how the address of a generator on the Hub begins
FETCHED = ["generator.safetensors", "directions.safetensors", "*.json"]  # of a repository's top folder
HOW_TO_ENTER = ("log in with `hf auth login`, or set HF_TOKEN to a token of "
                "https://huggingface.co/settings/tokens")
HUB_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"  # a name on the Hub
HUB_ADDRESS = re.compile(rf"({HUB_NAME}/{HUB_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]*))?")
HUB_REFUSES = (401, 403)
HUB_TRIES = 2  # of a download: older versions of huggingface_hub go on in the next call only
CUT_OFF = {"ChunkedEncodingError", "ReadError", "ReadTimeout", "RemoteProtocolError"}
NOT_REACHED = {"ConnectError", "ConnectionError", "ConnectTimeout", "LocalEntryNotFoundError",
               "OfflineModeIsEnabled", "ProxyError", "UnsupportedProtocol"}


@dataclass(frozen=True)
class HubAddress:
    """A repository on the Hub, "name/repository", and a branch, tag or commit of it, or None."""

    repository: str
    revision: str | None = None

    def __str__(self):
        return f"{HUB}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_on_hub(source):
    """Whether a source is an address on the Hub, as it begins with "hf:"."""
    return str(source).startswith(HUB)


def hub_address(text):
    """The HubAddress of "hf:name/repository" or "hf:name/repository@revision"; GanlibError for other text."""
    found = HUB_ADDRESS.fullmatch(str(text).removeprefix(HUB)) if is_on_hub(text) else None
    if not found or "--" in found[1] or ".." in str(text):
        raise GanlibError(f"{str(text)!r} is no address on the Hugging Face Hub: expected "
                          "hf:name/repository, or hf:name/repository@revision, as in hf:someone/faces.")
    return HubAddress(found[1], found[2])


def hub_client():
    """The package huggingface_hub, or GanlibError that says how to get it."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise GanlibError("The Hugging Face Hub needs the package huggingface_hub, which is not installed: "
                          f"pip install 'ganlib[hub]', or pip install huggingface_hub. ({error})") from error
    return huggingface_hub


def fetch_from_hub(source):
    """The Path of the generator file of an address on the Hub; its directions and its recipe lie beside it.

    What is in the cache of huggingface_hub is not downloaded again, and needs no connection. Every file is
    compared with its checksum, and a damaged one is removed. Raises GanlibError where there is no such
    address, where it may not be read, without a connection, and for a repository without a generator.
    """
    address = hub_address(source)
    folder = _snapshot(address, hub_client())
    _check_whole(folder, address)
    path = folder / "generator.safetensors"
    if not path.is_file():
        raise GanlibError(f"{address} has no generator.safetensors, so it is no generator of ganlib: look at "
                          f"https://huggingface.co/{address.repository}.")
    return path


def _snapshot(address, hub):
    """The folder in the cache with the files of a HubAddress; a download that was cut off is tried again."""
    for left in reversed(range(HUB_TRIES)):
        try:
            return Path(hub.snapshot_download(address.repository, revision=address.revision,
                                              allow_patterns=FETCHED, ignore_patterns=["*/*"]))
        except Exception as error:
            if not left or not CUT_OFF & _kinds(error):
                raise hub_trouble(error, address) from error
    raise AssertionError("the last try returns or raises")


def _check_whole(folder, address):
    """Remove the files of a snapshot that are not as the Hub names them; GanlibError where there are some.

    The cache calls a file by its checksum, and has a link to it in the snapshot. On a disk without links the
    name is not known, and nothing is checked.
    """
    fetched = sorted(path for pattern in FETCHED for path in folder.glob(pattern) if path.is_symlink())
    damaged = []
    for path in fetched:
        kept = folder / path.readlink()
        if _is_damaged(path, kept.name):
            damaged.append(path.name)
            for file in (path.resolve(), kept, path):
                file.unlink(missing_ok=True)
    if damaged:
        raise GanlibError(f"{' and '.join(damaged)} of {address} came damaged, with another checksum than "
                          "the Hub names, and was removed: make the same call again to get it anew.")


def _is_damaged(path, checksum):
    """Whether a file differs from its checksum: SHA-256 of large files, git's SHA-1 of small ones."""
    content = path.read_bytes()
    if re.fullmatch("[0-9a-f]{64}", checksum):
        return hashlib.sha256(content).hexdigest() != checksum
    if re.fullmatch("[0-9a-f]{40}", checksum):
        named = b"blob %d\0" % len(content) + content
        return hashlib.sha1(named, usedforsecurity=False).hexdigest() != checksum
    return False


# -- what went wrong


def hub_trouble(error, address, writes=False):
    """The GanlibError for what huggingface_hub raised at a HubAddress. writes: while something was pushed."""
    if isinstance(error, GanlibError):
        return error
    status = _status(error)
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError) and not status:
        return GanlibError(f"The files of {address} could not be kept ({error.strerror or error}): free some "
                           "space, or set HF_HOME to another folder, and call again.")
    names = _kinds(error)
    why = " ".join(str(error).split())[:300] or type(error).__name__
    if status in HUB_REFUSES and writes:
        return GanlibError(f"The Hugging Face Hub does not let you write to {address} ({status}): take a "
                           f"token that may write there, and {HOW_TO_ENTER}.")
    if status in HUB_REFUSES:
        return GanlibError(f"The Hugging Face Hub does not give you {address} ({status}): check the name. If "
                           f"it is private, {HOW_TO_ENTER}.")
    if "RevisionNotFoundError" in names:
        return GanlibError(f"{HUB}{address.repository} on the Hugging Face Hub has no revision "
                           f"{address.revision!r}: name one of its branches, tags or commits.")
    if status == 404:
        return GanlibError(f"The Hugging Face Hub has no {address} for you (404): check the name. If it is "
                           f"private, {HOW_TO_ENTER}.")
    if status == 400 and writes:
        return GanlibError(f"The Hugging Face Hub does not take what was sent to {address} ({why}): if the "
                           "licence is at fault, name another one.")
    if status:
        return GanlibError(f"The Hugging Face Hub answered {status} about {address} ({why}): call again "
                           "later.")
    if "OfflineModeIsEnabled" in names:
        return GanlibError(f"{address} is not at hand, and HF_HUB_OFFLINE forbids to ask the Hugging Face "
                           "Hub: unset that variable, and call again.")
    if names & NOT_REACHED:
        return GanlibError(f"The Hugging Face Hub cannot be reached for {address}: check the connection, and "
                           "call again.")
    return GanlibError(f"The exchange with the Hugging Face Hub about {address} broke off ({why}): call "
                       "again.")


def _chain(error):
    """An exception, and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _kinds(error):
    """The names of an exception and of those that led to it. They are of other packages in each version."""
    return {type(one).__name__ for one in _chain(error)}


def _status(error):
    """The status with which the Hub answered, or None."""
    found = (getattr(getattr(one, "response", None), "status_code", None) for one in _chain(error))
    return next((status for status in found if status), None)
