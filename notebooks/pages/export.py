"""An executed notebook as one HTML file that needs no network."""
import copy

from nbconvert import HTMLExporter

from .formulas import with_formulas
from .links import relinked, title_of

# The blocks of nbconvert's template that load scripts from other hosts
TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js_requirejs -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block html_head_css -%}
<style>
body { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
.jp-OutputArea-output { overflow-x: auto; }
.jp-OutputArea-output img { max-width: 100%; height: auto; }
.jp-InputPrompt, .jp-OutputPrompt { display: none; }
math[display=block] { margin: 1em 0; overflow-x: auto; overflow-y: hidden; }
math { font-size: 1.1em; }
</style>
{%- endblock -%}
"""


def html_page(notebook, name, pages):
    """The HTML of an executed notebook.

    name: of the notebook in the folder notebooks/, without .ipynb. pages: the names of the notebooks whose
    pages lie beside it; links to others lead to GitHub.
    """
    def place(path):
        folder, _, file = path.rpartition("/")
        stem, dot, kind = file.rpartition(".")
        return f"{stem}.html" if folder == "notebooks" and kind == "ipynb" and stem in pages else None

    shown = copy.deepcopy(notebook)
    for cell in shown.cells:
        if cell.cell_type == "markdown":
            cell.source = with_formulas(relinked(cell.source, f"notebooks/{name}.ipynb", place))
    exporter = HTMLExporter(raw_template=TEMPLATE)
    page, _ = exporter.from_notebook_node(shown, {"metadata": {"name": title_of(shown, name)}})
    return page
