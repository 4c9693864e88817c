"""Sphinx's settings for the site. docs/make_site.py puts its pages into build/site-source/."""
import sys
from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))
from pages.formulas import mathml  # noqa: E402
from pages.links import repository  # noqa: E402

project = "Anime GAN notebooks"
language = "en"
extensions = ["myst_nb"]

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/face.png"  # stylegan-fast, seed 3, psi 0.7
html_show_copyright = False
html_show_sphinx = False
html_sourcelink_suffix = ""
html_context = {"default_mode": "auto"}  # light or dark as the reader has it
html_math_renderer = "mathml"
html_theme_options = {
    "repository_url": repository(),
    "repository_branch": "main",
    "use_repository_button": True,
    "launch_buttons": {"colab_url": "https://colab.research.google.com"},
    "home_page_in_toc": True,
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "navbar_persistent": [],
    "footer_content_items": [],
}

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # make_site.py has executed them
nb_ipywidgets_js: dict = {}  # no scripts from other hosts
nb_code_prompt_show = "Show the set-up cell"
nb_code_prompt_hide = "Hide the set-up cell"
nb_render_markdown_format = "myst"  # tables that a cell shows
nb_merge_streams = True
suppress_warnings = ["myst.header"]


def inline_formula(translator, node):
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode  # what is inside it is written already


def block_formula(translator, node):
    translator.body.append(f'<div class="math">{mathml(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Formulas as MathML, in the place of MathJax, which is loaded from another host."""
    app.add_html_math_renderer("mathml", (inline_formula, None), (block_formula, None))
