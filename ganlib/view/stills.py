"""Panels of widgets in a notebook, and the still picture that stays of them where nobody runs it.

A widget is dead in a notebook that is opened again, exported, or shown on a web page. So a panel is two
outputs: the widget, and a still picture with the words *Run all*. A rule of style hides the second one while
the first is alive. It asks for a class that only a living widget puts into the page, so it needs no script.
"""
import base64
import html

from IPython.display import display

from ..images import encoded

# ID: of the widget. For a second the still picture waits whether the widget comes alive. In JupyterLab a dead
# one is an error message: it is hidden as well
STYLE = """<style>
@keyframes ganlib-wait {from {visibility: hidden; max-height: 0; overflow: hidden}}
.ganlib-still-ID {animation: ganlib-wait 1s step-end}
body:has(.ganlib-live-ID) .ganlib-still-ID {display: none}
body:not(:has(.ganlib-live-ID)) .jp-OutputArea-child:has(+ * .ganlib-still-ID) {display: none}
</style>"""


def show_panel(box, name, text, image=None, advice="to play with it"):
    """Display a panel: its widget, and for where widgets are dead a still picture (PIL) and a sentence.

    name: of the panel. text: its settings, or what went wrong in it. advice: what it takes all cells for.
    """
    box.add_class(f"ganlib-live-{box.model_id}")
    widget = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    display({"text/plain": f"{name}()", "application/vnd.jupyter.widget-view+json": widget}, raw=True)
    display({"text/plain": text, "text/html": still(box.model_id, name, text, image, advice)}, raw=True)


def still(number, name, text, image, advice):
    """The HTML that stands for a panel whose widget has this model_id, while the widget is dead."""
    picture = ""
    if image:
        data = base64.b64encode(encoded(image.save)).decode()
        looks = "max-width: 100%; height: auto; background: #fff; padding: 4px; box-sizing: border-box"
        picture = f'<img alt="{name}, as a still picture" style="{looks}" src="data:image/png;base64,{data}">'
    words = f"<p>{html.escape(text)}<br><i>Run all cells {advice}.</i></p>"
    return f'{STYLE.replace("ID", number)}<div class="ganlib-still-{number}">{picture}{words}</div>'
