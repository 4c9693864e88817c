"""Links of Markdown: to where a page lies here, else to where the file lies on GitHub."""
import posixpath
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"^(```+|~~~+).*?^\1|(`+)[^`].*?\2", re.DOTALL | re.MULTILINE)
# ](target) or ](target "title"), and src="target" or href="target" of HTML
TARGET = re.compile(r"""(?P<before>\]\(|\b(?:src|href)=")(?P<target>[^)\s"]+)""")
# Pictures that lie on other hosts, of a badge most of all, are replaced by their words
FAR_PICTURE = re.compile(r"!\[(?P<words>[^\]]*)\]\(https?://[^)]*\)")


def repository():
    """The address of the repository, as pyproject.toml has it."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def on_github(path):
    """The address of a file or folder; path: relative to the root of the repository, with slashes."""
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository()}/{kind}/main/{path}"


def relinked(markdown, file, place):
    """Markdown with its links to files changed, and words for pictures on other hosts; code stays as it is.

    file: the path of the Markdown, relative to the root of the repository, with slashes. place: function of
    the path of the file that a link leads to. It gives the new target, or None for the address on GitHub.
    """
    def changed(match):
        target, hash_sign, anchor = match["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):  # within the page, or an address already
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
        return match["before"] + (place(path) or on_github(path)) + hash_sign + anchor

    def prose(text):
        return TARGET.sub(changed, FAR_PICTURE.sub(r"\g<words>", text))

    pieces, end = [], 0
    for code in CODE.finditer(markdown):
        pieces += [prose(markdown[end:code.start()]), code[0]]
        end = code.end()
    return "".join(pieces) + prose(markdown[end:])


def title_of(notebook, name=""):
    """The first heading of a notebook."""
    for cell in notebook.cells:
        heading = re.search(r"^# +(.+)$", cell.source, re.MULTILINE)
        if cell.cell_type == "markdown" and heading:
            return heading[1].strip()
    return name
