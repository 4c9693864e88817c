"""Formulas as MathML, which browsers draw by themselves: without a script, without a network."""
import re

from latex2mathml.converter import convert

# Code, in which a dollar is a dollar, and formulas
PIECES = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|(?P<ticks>`+)[^`].*?(?P=ticks))"
    r"|\$\$(?P<block>.+?)\$\$"
    r"|(?<![\w\\$])\$(?P<inline>[^\s$](?:[^$]*?[^\s$])?)\$(?![\w$])",
    re.DOTALL | re.MULTILINE)
LIMITS = r"(?:max|min|sup|inf|lim|argmax|argmin)"


def mathml(tex, block=False):
    """The <math> element of a formula in TeX. Raises ValueError for a command that it does not know."""
    formula = convert(tex.strip(), display="block" if block else "inline")
    unknown = re.search(r"\\\w+", formula)
    if unknown:
        raise ValueError(f"The formula {tex.strip()!r} has {unknown[0]}, which cannot be shown as MathML: "
                         "write it in another way.")
    # Bars are brackets here: no room beside them
    formula = re.sub(r'<mo (?:fence="false" )?stretchy="false">(&#x0007C;|&#x02016;)</mo>',
                     r'<mo stretchy="false" lspace="0" rspace="0">\1</mo>', formula)
    # Larger brackets: by their size, for fonts that have no brackets to stretch
    formula = re.sub(r'<mo minsize="([\d.]+)em" maxsize="[\d.]+em">',
                     r'<mo stretchy="false" lspace="0" rspace="0" mathsize="\1em">', formula)
    if block:  # what is maximised over stands below the word
        formula = re.sub(rf"<msub>(<mo>{LIMITS}</mo>)(.*?)</msub>", r"<munder>\1\2</munder>", formula)
    return formula


def with_formulas(markdown):
    """Markdown with its $...$ and $$...$$ replaced by MathML; code stays as it is."""
    return PIECES.sub(_replaced, markdown)


def _replaced(piece):
    if piece["code"]:
        return piece[0]
    tex = piece["block"] or piece["inline"]
    formula = mathml(tex, block=bool(piece["block"]))
    return re.sub(r"[*_]", lambda sign: f"&#{ord(sign[0])};", formula)  # these would be Markdown
