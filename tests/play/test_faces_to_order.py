"""Labels in play: the face of a seed is one face everywhere, and labels change what they name."""
import io

import numpy as np
import pytest
import torch
from generators import save_labelled
from PIL import Image

from ganlib.errors import GanlibError
from ganlib.images import resized
from ganlib.models.asking import drawn_labels
from ganlib.models.sampling import (
    generate,
    latents,
    layer_groups,
    sample,
    seed_labels,
    seed_latents,
    styles,
)
from ganlib.models.store import load_generator
from ganlib.play.characters import character, neighbours, origin
from ganlib.play.directions import (
    colour_directions,
    directions,
    face_colours,
    find_directions,
    label_directions,
)
from ganlib.play.latent_files import load_latents, save_latents
from ganlib.play.named_colours import steps_to_named
from ganlib.play.panels.design import DesignPanel, what_colours_are
from ganlib.play.panels.directions import DirectionsPanel
from ganlib.play.panels.invert import InvertPanel
from ganlib.play.panels.menu import GeneratorMenu
from ganlib.play.panels.mix import MixPanel
from ganlib.play.panels.walk import WalkPanel
from ganlib.play.styles import (
    label_sheet,
    label_vectors,
    labels_of,
    mix,
    mixing_sheet,
    points,
    slerp,
    swap,
    walk_through,
)
from ganlib.view.pictures import table

SEED = 3


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    return tmp_path


def shown(image):
    with Image.open(io.BytesIO(image.value)) as file:
        return np.asarray(file.convert("RGB")).astype(int)


def alike(pixels, others, levels=1):
    """Whether pictures differ by what sums in another order may round to. Smaller others are enlarged."""
    if np.shape(pixels) != np.shape(others):
        others = resized(Image.fromarray(np.uint8(others)), np.shape(pixels)[1::-1])
        levels = 2 * levels
    return np.abs(np.asarray(pixels).astype(int) - np.asarray(others)).max() <= levels


def rebuilt(panel):
    """What the code below a panel gives."""
    names = {"character": character, "points": points, "swap": swap, "generator": panel.generator}
    return eval(panel.text, names)  # noqa: S307, that it is code is what is tested


def of_classes(generator, seed, psi=0.7, **numbers):
    """The picture of a seed with numbers of classes in the place of those that are drawn for it."""
    c = drawn_labels(generator, 1, seed)
    for name, number in numbers.items():
        c[:, [*generator.G.attributes].index(name)] = number
    return generate(generator, styles(generator, seed_latents(generator, [seed]), psi, c))[0]


# -- one face everywhere


def test_a_seed_is_one_face_in_samples_mixing_and_walks(labelled):
    face = sample(labelled, 1, seed=SEED)[0]
    assert alike(generate(labelled, points(labelled, [SEED]))[0], face)
    assert not alike(generate(labelled, latents(1, 16, SEED))[0], face)  # labels count
    assert alike(generate(labelled, walk_through(labelled, [SEED, 5], 4))[0], face)


def test_a_seed_is_one_face_in_characters_and_panels(labelled_styles):
    face = sample(labelled_styles, 1, seed=SEED, psi=0.7)[0]
    assert alike(generate(labelled_styles, character(labelled_styles, SEED))[0], face)
    for panel in DesignPanel, DirectionsPanel, WalkPanel:
        assert alike(shown(panel(labelled_styles).image), face), panel
    assert alike(shown(MixPanel(labelled_styles).a.cells[SEED].children[0]), face)


def test_asking_changes_what_is_asked_for_and_no_other_label(labelled):
    c, drawn = labels_of(labelled, [3, 4, 5], {"hair": "red"}), seed_labels(labelled, [3, 4, 5])
    assert (c[:, 0] == 2).all() and torch.equal(c[:, 1:], drawn[:, 1:])
    assert torch.equal(labels_of(labelled, [3, 4, 5]), drawn)


def test_directions_are_found_from_faces_as_they_are_drawn(labelled_styles):
    G = labelled_styles.G
    ws = styles(G, latents(300, 16, 2), c=drawn_labels(G, 300, 2))
    by_hand = label_directions(ws[:, 0], face_colours(generate(G, ws)))
    assert torch.equal(colour_directions(G, 300, 2), by_hand)
    closed = find_directions(labelled_styles, n=200)[0]["closed"]
    w = styles(G, latents(1_000, 16), c=drawn_labels(G, 1_000))[:, 0]
    length = closed.norm(dim=1)
    assert torch.allclose(((w - G.w_avg) @ closed.T).std(0) / length, length, rtol=1e-4)


# -- characters


def test_a_label_is_a_shift_of_w(labelled_styles):
    G = labelled_styles.G
    base, c = origin(G, SEED), drawn_labels(G, 1, SEED)
    wanted = c.clone()
    wanted[0, 0] = 1
    expected = base + (G.shift(wanted) - G.shift(c))[:, None]
    for asked in (dict(hair="pink"), dict(labels={"hair": "pink"}), dict(labels={"hair": {"pink": 1.0}})):
        assert torch.allclose(character(labelled_styles, SEED, **asked), expected, atol=1e-6)
    assert torch.allclose(expected, points(G, [SEED], 0.7, {"hair": "pink"}), atol=1e-6)
    held = character(labelled_styles, SEED, hair="pink", hold=True)
    coarse = layer_groups(G)["coarse"].stop
    assert torch.equal(held[:, :coarse], base[:, :coarse])
    assert torch.allclose(held[:, coarse:], expected[:, coarse:], atol=1e-6)


def test_mixtures_lie_between_their_classes(labelled_styles):
    blue, pink, unknown = (
        character(labelled_styles, SEED, labels={"hair": name}) for name in ("blue", "pink", "unknown"))
    for mixture, expected in (
        ({"blue": 0.3, "pink": 0.7}, 0.3 * blue + 0.7 * pink),
        ({"blue": 1, "pink": 3}, 0.25 * blue + 0.75 * pink),  # shares
        ({"unknown": 0.5, "pink": 0.5}, 0.5 * unknown + 0.5 * pink),
        ({"as it is": 0.2, "pink": 0.8}, 0.2 * origin(labelled_styles.G, SEED) + 0.8 * pink),
    ):
        mixed = character(labelled_styles, SEED, labels={"hair": mixture})
        assert torch.allclose(mixed, expected, atol=1e-5), mixture
    part = character(labelled_styles, SEED, hair="pink", hair_amount=0.8)
    assert torch.allclose(part, expected, atol=1e-5)
    both = character(labelled_styles, SEED, hair="pink", labels={"glasses": "yes"})
    one_by_one = pink + character(labelled_styles, SEED, labels={"glasses": "yes"})
    assert torch.allclose(both, one_by_one - origin(labelled_styles.G, SEED), atol=1e-5)


def test_a_found_face_has_unknown_labels(labelled_styles):
    G = labelled_styles.G
    found = G.w_avg.repeat(1, G.num_layers, 1)
    assert torch.equal(character(labelled_styles, base=found), found)
    pink = label_vectors(G, torch.tensor([[1, -1, -1]]))
    assert torch.allclose(character(labelled_styles, base=found, hair="pink"), found + pink, atol=1e-6)
    base = origin(G, SEED)  # with a seed, the labels are those of the seed
    assert torch.equal(character(labelled_styles, SEED, base=base, hair="pink"),
                       character(labelled_styles, SEED, hair="pink"))


def test_neighbours_keep_the_labels(labelled_styles):
    G = labelled_styles.G
    c = torch.tensor([[1, 0, 1]])
    ws, bare = styles(G, latents(1, 16, 3), 0.7, c), styles(G, latents(1, 16, 3), 0.7)
    near = neighbours(G, ws, 5, 0.6, 0.7, c)
    assert torch.allclose(near, neighbours(G, bare, 5, 0.6, 0.7) + label_vectors(G, c), atol=1e-5)


def test_a_colour_that_is_no_label_stays_a_direction(tmp_path):
    path = save_labelled(tmp_path / "generator.safetensors", classes={"hair": ["blue", "pink"]})
    generator = load_generator(path)
    pink = character(generator, SEED, hair="pink")
    both = character(generator, SEED, hair="pink", eyes="green", eyes_amount=0.5)
    colours = directions(generator)[1]
    way = steps_to_named(generator.G, pink, colours, {"eyes": "green"})
    assert torch.allclose(both, pink + (0.5 * way @ colours)[:, None], atol=1e-3)
    panel = DesignPanel(generator)
    assert "hair_amount" not in panel.state and panel.state["eyes"] == "as it is"
    panel.controls["eyes"].value = "green"
    panel.mixers["hair"].menu.value = "pink"
    assert torch.equal(rebuilt(panel), panel.shown) and "eyes='green'" in panel.text


@pytest.mark.parametrize("asked, words", [
    (dict(hair="pnk"), "hair='pnk': there is no such class. Did you mean 'pink'"),
    (dict(labels={"har": "pink"}), "no 'har'. Did you mean 'hair'"),
    (dict(labels={"hair": {"pnk": 1}}), "Did you mean 'pink'"),
    (dict(labels={"hair": {}}), "how much of each of several classes"),
    (dict(labels={"hair": {"pink": 1, "blue": -1}}), "how much of each"),
    (dict(labels={"hair": {"pink": "much"}}), "how much of each"),
    (dict(labels={"hair": {"pink": float("nan")}}), "how much of each"),
    (dict(labels={"hair": ["pink", "blue"]}), "how much of each"),
])
def test_what_a_character_cannot_have(labelled_styles, asked, words):
    with pytest.raises(GanlibError, match=words):
        character(labelled_styles, SEED, **asked)


def test_a_character_without_labels_is_as_before(generator):
    assert torch.equal(character(generator, 3), styles(generator, latents(1, 16, 3), 0.7))
    with pytest.raises(GanlibError, match="hair='pink': this generator has learned no labels"):
        character(generator, labels={"hair": "pink"})


# -- the table of all labels


def test_label_sheet(labelled):
    G = labelled.G
    c = drawn_labels(G, 1, SEED).repeat(6, 1)
    c[:, 0] = torch.tensor([0, 0, 1, 1, 2, 2])
    c[:, 1] = torch.tensor([0, 1] * 3)
    faces = generate(G, seed_latents(G, [SEED] * 6), c=c)
    assert len({face.tobytes() for face in faces}) == 6
    down, across = ["blue", "pink", "red"], ["brown", "green"]
    assert alike(label_sheet(labelled, SEED), table(faces, down, across, "hair", "eyes"))
    turned = faces.reshape(3, 2, 32, 32, 3).swapaxes(0, 1)
    sheet = label_sheet(labelled, SEED, attributes=["eyes", "hair"], scale=2)
    assert alike(sheet, table(turned, across, down, "eyes", "hair", 2), 2)


def test_label_sheet_of_one_attribute(labelled_styles):
    faces = np.stack([of_classes(labelled_styles, SEED, 0.5, glasses=number) for number in (0, 1)])
    expected = table(faces, columns=["no", "yes"], column_title="glasses")
    assert alike(label_sheet(labelled_styles, SEED, 0.5, "glasses"), expected)


@pytest.mark.parametrize("attributes, words", [
    ("har", "no 'har'. Did you mean 'hair'"), (["hair", "hair"], "one or two, each once"),
    (["hair", "eyes", "glasses"], "one or two, each once. This generator has learned hair, eyes, glasses"),
])
def test_labels_that_no_sheet_has(labelled, attributes, words):
    with pytest.raises(GanlibError, match=words):
        label_sheet(labelled, attributes=attributes)


def test_no_sheet_without_labels(plain, labelled_files):
    with pytest.raises(GanlibError, match="has learned no labels: .* as of the preset stylegan-labels"):
        label_sheet(plain)
    with pytest.raises(GanlibError, match="no styles"):
        label_sheet(load_generator(labelled_files / "dcgan.safetensors"), psi=0.7)


# -- mixing and walks


def test_mixing_with_labels(labelled_styles):
    G = labelled_styles.G
    rows, cols = (points(G, seeds, 0.7, {"hair": "pink"}) for seeds in ([1, 2], [5]))
    assert alike(generate(G, rows)[1], of_classes(labelled_styles, 2, hair=1))
    sheet = mixing_sheet(labelled_styles, [1, 2], [5], (4, 8), 0.7, labels={"hair": "pink"})
    cells = np.full((2 + 1, 1 + 1, 32, 32, 3), 255, np.uint8)
    cells[1:, 0] = generate(G, rows)
    cells[0, 1:] = generate(G, cols)
    cells[1:, 1:] = mix(G, rows, cols, (4, 8))
    assert sheet == table(cells, ["", 1, 2], ["", 5], "other layers: seed", "layers 4 to 7: seed")


def test_a_walk_from_label_to_label_holds_the_face(labelled):
    G = labelled.G
    way = walk_through(labelled, [SEED], 7, labels={"hair": "blue,pink,red"})
    c = drawn_labels(G, 1, SEED).repeat(3, 1)
    c[:, 0] = torch.tensor([0, 1, 2])  # the eyes stay, though red hair never comes with brown ones
    stops = styles(G, latents(1, 16, SEED).repeat(3, 1), c=c) if G.has_styles else \
        G.told(latents(1, 16, SEED).repeat(3, 1), c)
    assert torch.allclose(way[[0, 3, 6]], stops, atol=1e-5)
    assert torch.allclose(way[1], torch.lerp(stops[0], stops[1], 1 / 3), atol=1e-5)


def test_without_styles_z_turns_and_labels_go_straight(labelled_files):
    G = load_generator(labelled_files / "dcgan.safetensors").G
    way = walk_through(G, [1, 2], 5, labels={"hair": "blue,red"})
    z, stops = latents(1, 16, 1), points(G, [1, 2], 1.0, {"hair": ["blue", "red"]})
    assert torch.allclose(way[1][:16], slerp(z, latents(1, 16, 2), 0.25)[0], atol=1e-5)
    assert torch.allclose(way[1][16:], torch.lerp(*stops[:, 16:], 0.25), atol=1e-5)


def test_faces_of_a_file_have_their_labels(labelled_styles, tmp_path):
    save_latents(tmp_path / "x.safetensors", labelled_styles, latents(2, 16))
    with pytest.raises(GanlibError, match="labels are fixed: ask for labels with seeds"):
        points(labelled_styles, tmp_path / "x.safetensors", labels={"hair": "pink"})


# -- panels


def test_design_panel(labelled_styles, data):
    panel = DesignPanel(labelled_styles)
    first = panel.image.value
    mixer = panel.mixers["hair"]
    assert [*panel.mixers] == ["hair", "eyes", "glasses"] and {*panel.controls} == {"psi"}
    assert mixer.menu.options == ("as it is", "blue", "pink", "red")
    mixer.menu.value = "pink"  # acts at once
    assert alike(shown(panel.image), of_classes(labelled_styles, SEED, hair=1))
    assert panel.text == "character(generator, seed=3, psi=0.7, labels={'hair': 'pink'})"
    assert mixer.amount.disabled
    mixer.other.value = "blue"
    assert not mixer.amount.disabled
    mixer.amount.value = 0.1
    mixer.amount.value = 0.3  # the moves of one slider are one step
    assert "labels={'hair': {'pink': 0.7, 'blue': 0.3}}" in panel.text
    assert torch.equal(rebuilt(panel), panel.shown)
    panel.mixers["glasses"].menu.value = "yes"
    assert torch.equal(rebuilt(panel), panel.shown) and "'glasses': 'yes'" in panel.text
    panel.keep()
    kept = panel.image.value
    undo = panel.history.undo
    undo()
    undo()
    assert mixer.amount.value == 0.5 and mixer.other.value == "blue" and mixer.menu.value == "pink"
    undo()
    assert (mixer.menu.value, mixer.other.value, mixer.amount.disabled) == ("pink", "nothing", True)
    undo()
    assert panel.image.value == first and mixer.menu.value == "as it is"
    assert panel.history.undo_button.disabled and not panel.history.redo_button.disabled
    panel.strip.box.children[1].children[1].click()
    assert panel.image.value == kept and mixer.amount.value == 0.3
    panel.save()
    ws, settings = load_latents(data / "faces" / "character-001.png", labelled_styles)
    assert torch.equal(ws, panel.shown) and torch.equal(character(labelled_styles, **settings), ws)


def test_labels_that_were_asked_for_stay_with_other_faces(labelled_styles, monkeypatch):
    panel = DesignPanel(labelled_styles)
    panel.mixers["hair"].menu.value = "red"
    panel.mixers["hair"].other.value = "red"  # with itself: nothing changes
    assert alike(shown(panel.image), of_classes(labelled_styles, SEED, hair=2))
    assert (panel.mixers["hair"].menu.value, panel.mixers["hair"].other.value) == ("red", "nothing")
    monkeypatch.setattr("ganlib.play.panels.design.random.randrange", lambda _: 77)
    panel.surprise()
    assert alike(shown(panel.image), of_classes(labelled_styles, 77, hair=2))
    offered = shown(panel.around[4].children[0])
    panel.take(4)
    assert alike(shown(panel.image), offered) and torch.equal(rebuilt(panel), panel.shown)
    assert panel.state["labels"] == {"hair": "red"}


def test_the_design_panel_says_which_of_the_two_it_is(labelled_styles, generator):
    def said(panel):
        return panel.box.children[0].children[1].children[1].value

    assert said(DesignPanel(labelled_styles)) == \
        "Hair and eyes and glasses: labels that this generator has learned."
    assert said(DesignPanel(generator)) == "Hair and eyes: directions in w, measured afterwards."
    assert what_colours_are(["hair"], ["eyes"]) == \
        "Hair: labels that this generator has learned. Eyes: directions in w, measured afterwards."
    assert "<" not in what_colours_are(["<b>"], [])


def test_mix_panel(labelled_styles):
    G = labelled_styles.G
    panel = MixPanel(labelled_styles)
    as_drawn = panel.result.value
    panel.labels["hair"].value = "pink"
    sheet = ("mixing_sheet(generator, [0, 3], [8, 9, 10], layers=(4, 8), psi=0.7, "
             "labels={'hair': 'pink'}, scale=2)")
    assert panel.code.endswith(sheet)
    a, b = (points(G, [seed], 0.7, {"hair": "pink"}) for seed in (3, 10))
    assert alike(shown(panel.result), generate(G, swap(G, a, b, (4, 8)))[0])
    assert alike(shown(panel.b.cells[1].children[0]), of_classes(labelled_styles, 9, hair=1))
    assert panel.figure() == mixing_sheet(labelled_styles, [0, 3], [8, 9, 10], (4, 8), 0.7, 3,
                                          {"hair": "pink"})
    assert torch.equal(rebuilt(panel), panel.mixed)
    panel.labels["hair"].value = "as drawn"
    assert panel.result.value == as_drawn and "labels" not in panel.code


def test_walk_panel_with_the_face_held(labelled_styles):
    panel = WalkPanel(labelled_styles)
    panel.seeds.value = "3"
    assert "expected two or more, as in 3, 7, or a label to go to." in panel.problem
    panel.labels["hair"].value = "blue"
    panel.goals["hair"].value = "red"
    assert panel.problem == "" and "labels={'hair': 'blue'}, goals={'hair': 'red'}" in panel.text
    assert alike(shown(panel.image), of_classes(labelled_styles, SEED, hair=0))
    panel.position.value = 100
    assert alike(shown(panel.image), of_classes(labelled_styles, SEED, hair=2))
    panel.position.value = 50
    half = character(labelled_styles, SEED, labels={"hair": {"blue": 1, "red": 1}})
    assert alike(shown(panel.image), generate(labelled_styles, half)[0])
    panel.goals["hair"].value = "each in turn"
    assert "goals={'hair': 'each in turn'}" in panel.text
    for position, number in ((0, 0), (100, 0)):  # it ends where it began
        panel.position.value = position
        assert alike(shown(panel.image), of_classes(labelled_styles, SEED, hair=number))
    stops = panel._latents(slice(None))[[33, 34]]  # the second of three classes is at 33.3
    pink = character(labelled_styles, SEED, labels={"hair": "pink"})
    assert (stops - pink).norm(dim=-1).max() < 0.05 * (stops[:1] - half).norm(dim=-1).max()
    assert np.asarray(panel.figure()).std() > 1


@pytest.mark.parametrize("path", ["spherical", "straight"])
def test_walk_panel_from_face_to_face(labelled_styles, path):
    panel = WalkPanel(labelled_styles)
    panel.path.value = path
    panel.labels["hair"].value = "pink"
    assert "labels={'hair': 'pink'}" in panel.text
    panel.position.value = 50  # the second of three faces
    assert alike(shown(panel.image), of_classes(labelled_styles, 7, hair=1))
    panel.goals["eyes"].value = "green"
    panel.position.value = 100
    assert alike(shown(panel.image), of_classes(labelled_styles, 12, hair=1, eyes=1))
    panel.psi.value = 0  # the mean face keeps its labels
    mean = styles(labelled_styles, latents(1, 16, 12), 0, labels_of(labelled_styles, [12], {
        "hair": "pink", "eyes": "green"}))
    assert alike(shown(panel.image), generate(labelled_styles, mean)[0])


def test_walk_panel_without_styles(labelled_files):
    generator = load_generator(labelled_files / "dcgan.safetensors")
    panel = WalkPanel(generator)
    assert alike(shown(panel.image), sample(generator, 1, seed=SEED)[0])
    panel.labels["hair"].value, panel.goals["hair"].value = "pink", "red"
    panel.position.value = 100
    c = drawn_labels(generator, 1, 12)
    c[0, 0] = 2
    assert alike(shown(panel.image), generate(generator, latents(1, 16, 12), c=c)[0])


def test_panels_of_a_generator_without_labels_have_no_menus(generator):
    assert DesignPanel(generator).mixers == MixPanel(generator).labels == WalkPanel(generator).labels == {}
    assert "labels" not in DesignPanel(generator).state


def test_a_menu_goes_from_labels_to_none_and_back(labelled_files, runs):
    menu = GeneratorMenu(labelled_files / "stylegan-fast.safetensors")
    panels = [DesignPanel(menu), WalkPanel(menu), MixPanel(menu), DirectionsPanel(menu)]
    panels[0].mixers["hair"].menu.value = "pink"
    menu.folder.value = str(runs / "faces")
    assert all(panel.ready and panel.problem == "" for panel in panels)
    assert not panels[0].mixers and "labels" not in panels[0].text
    menu.folder.value = str(labelled_files / "stylegan-fast.safetensors")
    assert all(panel.ready and panel.problem == "" for panel in panels) and panels[0].mixers


def test_a_found_picture_is_changed_without_labels(labelled_styles):
    panel = InvertPanel(labelled_styles, steps=3)
    panel.find(sample(labelled_styles, 1, seed=9)[0])
    assert torch.equal(panel.shown, panel.found.latents) and "Found" in panel.problem
