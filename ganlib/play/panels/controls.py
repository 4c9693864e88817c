"""The controls that panels are made of.

Core ipywidgets only, so that Colab, JupyterLab and VS Code can all show them. A face to click is a picture
under a transparent button of the same size, both in one cell of a GridBox: that needs no CSS and no script.
"""
import ipywidgets as widgets
from PIL import Image

from ...images import encoded, resized

NAME_WIDTH = "120px"  # of a control's name: all are alike, so that the controls stand in line
CONTROL_WIDTH = "320px"
AS_DRAWN = "as drawn"  # a label that is left to the seed


def field(kind, name, value, **more):
    """A control of a kind of widget, with its name before it."""
    return kind(value=value, description=name, style={"description_width": NAME_WIDTH},
                layout=widgets.Layout(width=CONTROL_WIDTH), **more)


def slider(name, value, low, high, step=0.05, kind=widgets.FloatSlider):
    return field(kind, name, value, min=low, max=high, step=step)


def menu(name, value, options, width="auto"):
    """A menu whose name takes no more room than it needs."""
    return widgets.Dropdown(value=value, options=options, description=name,
                            style={"description_width": "initial"}, layout=widgets.Layout(width=width))


def label_menus(G, default):
    """{attribute: a menu of its classes} of the labels that G has learned, with a first entry `default`."""
    return {name: field(widgets.Dropdown, name, default, options=[default, *classes])
            for name, classes in G.attributes.items()}


def picture(size):
    """An Image of size x size pixels, still empty."""
    layout = widgets.Layout(width=f"{size}px", height=f"{size}px")
    return widgets.Image(format="png", width=size, height=size, layout=layout)


def put(image, pixels):
    """Show uint8 (H, W, 3) in an Image, enlarged to its size as files are, if it has one.

    It is compressed lightly, as quick matters more than small.
    """
    shown = Image.fromarray(pixels)
    if image.width:
        shown = resized(shown, (int(image.width), int(image.height)))
    image.value = encoded(shown.save, compress_level=1)


def clickable(size, tooltip, click, image=None):
    """A face to click: GridBox(picture, button); click is called with no argument.

    image: an Image that is shown elsewhere as well; None: a new one.
    """
    place = one_cell(size)
    image = image or widgets.Image(format="png", layout=widgets.Layout(**place))
    button = widgets.Button(tooltip=tooltip, layout=widgets.Layout(**place))
    button.style.button_color = "transparent"
    button.on_click(lambda _: click())
    frame = widgets.Layout(border="3px solid transparent", flex="0 0 auto")
    return widgets.GridBox([image, button], layout=frame)


def one_cell(size):
    """The layout of a square in the only cell of a GridBox."""
    return {"grid_area": "1 / 1 / 2 / 2", "width": f"{size}px", "height": f"{size}px", "margin": "0"}


def mark(cell, colour):
    """Draw a frame around a face to click; None: none."""
    cell.layout.border = f"3px solid {colour or 'transparent'}"


def title(text):
    return widgets.HTML(f"<b>{text}</b>")


def hint(text):
    """A sentence in small letters, in the colour of the theme."""
    return widgets.HTML(f'<span style="font-size: 0.9em; line-height: 1.3">{text}</span>')


def column(*children):
    return widgets.VBox(children, layout=widgets.Layout(margin="0 12px 0 0", align_items="flex-start"))


def row(*children):
    """Controls side by side, in a line."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="center"))


def columns(*children):
    """Columns side by side, which begin at the same height."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items="flex-start"))


def press(text, work, icon="", tooltip=""):
    """A button that calls work with no argument."""
    button = widgets.Button(description=text, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto"))
    button.on_click(lambda _: work())
    return button
