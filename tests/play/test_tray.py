"""The tray: faces go from panel to panel, and are there again tomorrow."""
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from ganlib.errors import GanlibError
from ganlib.models.sampling import generate
from ganlib.models.store import load_generator
from ganlib.play.characters import character
from ganlib.play.kept_faces import MOST_KEPT, Face, KeptFaces, tray_folder
from ganlib.play.latent_files import load_latents, save_latents
from ganlib.play.panels import DesignPanel, DirectionsPanel, GeneratorMenu, InvertPanel, MixPanel, WalkPanel
from ganlib.play.styles import points
from ganlib.play.walks import way

PANELS = DesignPanel, DirectionsPanel, MixPanel, WalkPanel, InvertPanel


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("GANLIB_DATA", str(tmp_path))
    return tmp_path


@pytest.fixture
def kept(generator):
    return KeptFaces(generator)


@pytest.fixture
def menu(runs):
    return GeneratorMenu(runs / "faces")


def face_of(generator, seed=3, **settings):
    settings = {"seed": seed} | settings
    return Face(character(generator, **settings), settings)


def names(kept):
    return [face.name for face in kept.faces]


# -- the folder


def test_kept_faces_come_back(generator, kept):
    a = kept.add(face_of(generator, 3, hair="pink"))
    b = kept.add(face_of(generator, 7))
    assert names(kept) == ["face-1", "face-2"] and a.path.parent == tray_folder(generator)
    kept.shift(b, -1)
    kept.give_name(b, "Änna_2")
    again = KeptFaces(generator)
    assert names(again) == ["Änna_2", "face-1"] and not again.unreadable
    assert torch.equal(again.faces[1].latents, a.latents)
    assert again.faces[1].settings == {"seed": 3, "hair": "pink"}
    again.remove(again.faces[0])
    assert names(KeptFaces(generator)) == ["face-1"] and not b.path.exists()


def test_a_kept_face_is_a_picture_that_anyone_can_send(generator, kept):
    path = kept.add(face_of(generator, 3)).path
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture), generate(generator, character(generator, 3))[0])
    assert torch.equal(load_latents(path, generator)[0], character(generator, 3))


def test_other_files_and_a_broken_order_do_no_harm(generator, kept):
    kept.add(face_of(generator, 3))
    folder = tray_folder(generator)
    Image.new("RGB", (8, 8)).save(folder / "holiday.png")
    for text in ("no json", "7", '["gone", "face-1"]', ""):
        (folder / "order.json").write_text(text)
        again = KeptFaces(generator)
        assert names(again) == ["face-1"] and again.unreadable == ["holiday.png"]


@pytest.mark.parametrize("name", ["", " ", "a/b", "../a", "<b>", "a b", "x" * 41, "-a", ".hidden", "a,b",
                                  "@a"])
def test_names_that_cannot_be(generator, kept, name):
    face = kept.add(face_of(generator, 3))
    with pytest.raises(GanlibError, match="cannot be a name"):
        kept.give_name(face, name)
    assert names(KeptFaces(generator)) == ["face-1"]


def test_a_name_is_taken_once(generator, kept):
    a, b = kept.add(face_of(generator, 3)), kept.add(face_of(generator, 4))
    with pytest.raises(GanlibError, match="There is a face 'face-1' already"):
        kept.give_name(b, "face-1")
    kept.give_name(a, "face-1")  # its own
    assert a.name == "face-1"
    with pytest.raises(GanlibError, match="no kept face 'face-3'. Kept: face-1, face-2"):
        kept.named("face-3")


def test_a_full_tray(generator, kept):
    face = face_of(generator, 3)
    for _ in range(MOST_KEPT):
        kept.add(face)
    with pytest.raises(GanlibError, match=f"{MOST_KEPT} faces are kept. Remove one first"):
        kept.add(face)


def test_files_are_loaded_and_others_refused(generator, kept, runs, data):
    path = data / "my <b>face.safetensors"
    save_latents(path, generator, character(generator, 5), seed=5)
    loaded = kept.load(path.read_bytes(), path.name)
    assert loaded.name == "my-b-face" and loaded.settings == {"seed": 5}
    assert torch.equal(loaded.latents, character(generator, 5))
    picture = kept.load(kept.faces[0].path.read_bytes(), "again.png")
    assert picture.name == "again" and torch.equal(picture.latents, loaded.latents)
    plain = load_generator(runs / "plain")
    save_latents(path, plain, torch.zeros(1, 100))
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "png")
    for content, words in ((path.read_bytes(), "belongs to another model"), (b"", "not a latent file"),
                           (b"\x89PNG", "not a latent file"), (png.getvalue(), "no face in this picture"),
                           (b"\xff" * 100, "not a latent file")):
        with pytest.raises(GanlibError, match=words):
            kept.load(content, "x")
    for bad in (torch.full((1, 8, 12), float("nan")), torch.zeros(1, 7, 12), torch.zeros(0, 8, 12),
                torch.zeros(1, 8, 12, dtype=torch.int64)):
        save_latents(path, generator, bad)
        with pytest.raises(GanlibError, match="cannot draw"):
            kept.load(path.read_bytes(), "x")
    assert len(kept.faces) == 2


# -- from panel to panel


@pytest.mark.parametrize("kind", PANELS)
@pytest.mark.parametrize("other", PANELS[:4])
def test_a_face_goes_from_any_panel_to_any_other(menu, kind, other):
    panel, target = kind(menu), other(menu)
    panel.keep()
    face = menu.tray.kept.faces[0]
    assert torch.equal(face.latents, panel.face().latents)
    target.strip.box.children[1].children[1].click()
    assert target.problem == ""
    if isinstance(target, MixPanel):
        assert target.a.chosen[-1] is face and str(face.path) in target.code
    elif isinstance(target, WalkPanel):
        assert target.seeds.value.endswith(", @face-1")
        target.position.value = 100
        assert torch.allclose(target.face().latents, face.latents, atol=1e-5)
    else:
        assert torch.allclose(target.face().latents, face.latents, atol=1e-5)
    assert menu.tray.faces.children and len(panel.strip.box.children) == 2


def test_a_design_goes_on_from_a_kept_one(menu):
    panel = DesignPanel(menu)
    panel.controls["hair"].value = "pink"
    panel.take(2)
    panel.keep()
    kept = panel.shown
    panel.surprise()
    panel.strip.box.children[1].children[1].click()
    assert torch.equal(panel.shown, kept) and panel.controls["hair"].value == "pink"
    panel.controls["hair"].value = "as it is"
    panel.history.undo()
    assert torch.equal(panel.shown, kept)


def test_a_face_without_settings_is_designed_as_well(menu):
    mix, panel = MixPanel(menu), DesignPanel(menu)
    mix.keep()
    panel.strip.box.children[1].children[1].click()
    face = menu.tray.kept.faces[0]
    assert torch.equal(panel.shown, mix.mixed) and panel.controls["psi"].disabled
    assert f"base=load_latents({str(face.path)!r}, generator)[0]" in panel.text
    panel.controls["hair"].value = "blue"
    expected = character(panel.generator, base=face.latents, hair="blue", hold=True)
    assert torch.allclose(panel.shown, expected, atol=1e-5)
    panel.controls["hair"].value = "as it is"
    panel.take(1)
    assert "has no settings. Keep it or save it" in panel.code and panel.problem == ""
    panel.surprise()
    assert not panel.controls["psi"].disabled and "base" not in panel.text


def test_kept_faces_to_mix(menu):
    panel = MixPanel(menu)
    DirectionsPanel(menu).keep()
    face = menu.tray.kept.faces[0]
    panel.goes_to.value = "B"
    panel.take_face(face)
    assert panel.b.chosen[-1] is face is panel.b.shown[-1]
    panel.goes_to.value = "A"
    panel.take_face(face)
    assert "in the other row already" in panel.problem and face not in panel.a.shown
    for _ in range(3):
        panel.b.turn()
    assert face in panel.b.shown
    menu.tray.name.value = "ann"
    assert "/ann.png" in panel.code and panel.problem == ""
    menu.tray._remove()
    assert face not in panel.b.shown and "ann" not in panel.code and panel.problem == ""


def test_a_walk_through_kept_faces(menu, generator):
    panel = WalkPanel(menu)
    DirectionsPanel(menu).keep()
    panel.seeds.value = "@face-1, 7 12"
    path = str(menu.tray.kept.faces[0].path)
    whole = way(generator, [path, 7, 12], psi=0.7)
    panel.position.value = 50
    assert torch.allclose(panel.face().latents, whole[50:51], atol=1e-5)
    assert torch.allclose(whole[50:51], points(generator, [7], 0.7), atol=1e-5)
    panel.seeds.value = "@nobody, 7"
    assert "There is no kept face 'nobody'. Kept: face-1." in panel.problem
    loop = way(generator, [3, 7], frames=4, path="straight", loop=True)
    assert torch.allclose(loop[0], points(generator, [3])[0], atol=1e-5) and len(loop) == 4
    assert torch.allclose(loop[2], points(generator, [7])[0], atol=1e-5)


def test_the_tray_names_sorts_and_removes(menu):
    tray = menu.tray
    panel = DirectionsPanel(menu)
    assert "None yet" in tray.hint.value and tray.tools.layout.display == "none"
    panel.keep()
    panel.another()
    panel.keep()
    assert tray.name.value == "face-2" and tray.tools.layout.display == ""
    tray.name.value = "ann"
    assert [face.name for face in tray.kept.faces] == ["face-1", "ann"]
    tray.name.value = "<i>"
    assert "cannot be a name" in tray.message.value and "<i>" not in tray.message.value
    assert tray.name.value == "ann"
    tray._move(-1)
    assert [face.name for face in tray.kept.faces] == ["ann", "face-1"]
    tray.faces.children[1].children[1].click()
    tray._remove()
    assert [face.name for face in tray.kept.faces] == ["ann"] and len(panel.strip.box.children) == 2
    order = json.loads((tray.kept.folder / "order.json").read_text())
    assert order == ["ann"]


def test_each_generator_has_its_own_tray(menu, runs):
    panel = WalkPanel(menu)
    panel.keep()
    menu.folder.value = str(runs / "plain")
    assert menu.tray.kept.faces == [] and panel.strip.box.children == ()
    panel.keep()
    panel.strip.box.children[1].children[1].click()
    assert panel.problem == "" and panel.seeds.value.endswith("@face-1")
    menu.folder.value = "/nowhere"
    assert menu.tray.kept is None and "There is no run" in panel.problem
    menu.folder.value = str(runs / "faces")
    assert len(menu.tray.kept.faces) == 1


def test_uploads_into_the_tray(menu, generator, data):
    tray = menu.tray

    def upload(name, content):
        tray.upload.value = [{"name": name, "type": "", "size": len(content), "content": memoryview(content),
                              "last_modified": __import__("datetime").datetime.now()}]

    save_latents(data / "x.safetensors", generator, character(generator, 9), seed=9)
    upload("nine.safetensors", (data / "x.safetensors").read_bytes())
    assert [face.name for face in tray.kept.faces] == ["nine"] and tray.message.value == ""
    upload("<img>.png", b"no")
    assert "&lt;img&gt;.png is not a latent file" in tray.message.value
    upload("big.png", bytes(5_100_000))
    assert "5.1 MB: a face has 5 at most" in tray.message.value


# -- what went wrong once


def test_a_number_that_comes_again_is_another_face(menu):
    panel, walk = DesignPanel(menu), WalkPanel(menu)
    panel.keep()
    walk.seeds.value = "@face-1, 7"
    before, small = walk.image.value, menu.tray.image_of(menu.tray.kept.faces[0]).value
    menu.tray._remove()
    assert walk.seeds.value == "7" and "two or more" in walk.problem
    panel.surprise()
    panel.keep()
    assert names(menu.tray.kept) == ["face-1"]
    assert menu.tray.image_of(menu.tray.kept.faces[0]).value != small
    walk.seeds.value = "@face-1, 7"
    assert walk.image.value != before
    menu.tray.name.value = "ann"
    assert walk.seeds.value == "@ann, 7" and "/ann.png" in walk.code


@pytest.mark.parametrize("settings", [
    {"seed": 3, "hair": "neon"}, {"seed": 3, "psi": "x"}, {"seed": 3, "steps": 5},
    {"seed": 3, "steps": [[1]]},
    {"seed": 3, "steps": [[1, 99, 0.4]]}, {"seed": 3, "changes": {"foo": 1}}, {"seed": 3, "base": "x"},
    {"seed": "x"}, {"seed": 5}, {"z": 1}, {"generator": 1, "picture": 2}, {"labels": 5}])
def test_settings_that_do_not_give_the_face_are_passed_over(menu, generator, settings):
    panel = DesignPanel(menu)
    face = menu.tray.kept.add(Face(character(generator, 3), settings))
    panel.act(lambda: panel.take_face(face))
    assert panel.problem == "" and not panel.filling
    assert torch.equal(panel.shown, face.latents) and panel.state["base"] is face
    panel.surprise()
    assert panel.problem == "" and panel.state["base"] is None


@pytest.mark.parametrize("labels", [
    {"hair": {"unknown": 1}}, [1], "pink", 5, {"hair": {}}, {"hare": "pink"}, {"hair": {"pink": "x"}},
    {"hair": {"pink": 1, "blue": 1, "red": 1}}])
def test_labels_that_menus_cannot_show(labelled_styles, labels):
    panel = DesignPanel(labelled_styles)
    ws = character(labelled_styles, 3)
    panel.act(lambda: panel.take_face(panel.tray.kept.add(Face(ws, {"seed": 3, "labels": labels}))))
    assert panel.problem == "" and torch.equal(panel.shown, ws) and not panel.filling
    panel.mixers["hair"].menu.value = "red"
    assert panel.state["labels"] == {"hair": "red"}


def test_empty_settings_of_the_page_are_no_hindrance(menu, generator):
    settings = {"seed": 3, "hair": "pink", "hair_amount": 1, "labels": {}, "changes": {}, "steps": []}
    face = menu.tray.kept.add(Face(character(generator, 3, hair="pink"), settings))
    panel = DesignPanel(menu)
    panel.take_face(face)
    assert panel.state["base"] is None and panel.controls["hair"].value == "pink"


def test_what_is_kept_is_what_was_drawn(menu, generator):
    panel = DesignPanel(menu)
    panel.soon = lambda work, *args, **more: None  # pictures follow later
    panel.controls["psi"].value = 0.1
    panel.keep()
    face = menu.tray.kept.faces[0]
    assert torch.equal(character(generator, **face.settings), face.latents)


def test_a_face_of_z_is_kept_as_its_styles(menu, generator, data):
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    save_latents(data / "z.safetensors", generator, z)
    menu.tray._load((data / "z.safetensors").read_bytes(), "z.safetensors")
    ws = menu.tray.kept.faces[0].latents
    assert torch.allclose(ws, points(generator, str(data / "z.safetensors")))
    for kind in PANELS:
        panel = kind(menu)
        panel.act(lambda panel=panel: panel.take_face(menu.tray.kept.faces[0]))
        assert panel.problem == "", kind


def test_two_notebooks_with_one_tray(runs):
    one, other = GeneratorMenu(runs / "faces"), GeneratorMenu(runs / "faces")
    panel, second = DesignPanel(one), DesignPanel(other)
    panel.keep()
    second.keep()
    assert names(other.tray.kept) == ["face-1", "face-2"] and len(second.strip.box.children) == 3
    other.tray.faces.children[0].children[1].click()
    other.tray._remove()
    one.tray._move(1)  # of a face that is gone
    assert "This face is gone" in one.tray.message.value and names(one.tray.kept) == ["face-2"]
    one.tray.faces.children[0].children[1].click()
    one.tray.name.value = "ann"
    panel.keep()
    assert names(KeptFaces(panel.generator)) == ["ann", "face-1"] and "Kept as face-1" in panel.problem


def test_names_of_models_and_files_stay_in_their_folder(generator, kept, data):
    odd = load_generator(generator.folder)
    odd.config = odd.config.replace(preset="../../../../pwned/x")
    assert tray_folder(odd).parent == data / "faces" / "kept"
    face = kept.add(face_of(generator, 3))
    (face.path.parent / "my face.png").write_bytes(face.path.read_bytes())
    assert KeptFaces(generator).unreadable == ["my face.png"]


def test_hostile_latent_files_are_one_sentence(generator, kept):
    bomb = io.BytesIO()
    Image.new("1", (1, 1)).save(bomb, "png")
    head = bytearray(bomb.getvalue())
    head[16:24] = (60_000).to_bytes(4, "big") * 2
    from safetensors.torch import save

    from ganlib.play.latent_files import identity

    def about(settings):
        return {"format": "1", "kind": "ganlib latents", "model": identity(generator), "settings": settings}

    ws = character(generator, 3)
    files = [bytes(head), save({"latents": ws}, about("[" * 100_000)), save({"latents": ws}, about("[1]")),
             save({"latents": torch.tensor(1.0)}, about("{}")),
             save({"latents": ws.to(torch.float8_e4m3fn)}, about("{}"))]
    for content in files:
        with pytest.raises(GanlibError, match="latent"):
            kept.load(content, "x.png")
    (kept.folder / "order.json").parent.mkdir(parents=True, exist_ok=True)
    (kept.folder / "order.json").write_text("[" * 100_000)
    assert KeptFaces(generator).faces == []


def test_labels_of_a_walk_are_for_seeds(labelled_styles):
    panel = WalkPanel(labelled_styles)
    panel.keep()
    panel.seeds.value = "@face-1, 7"
    assert panel.problem == ""
    panel.labels["hair"].value = "pink"
    assert "Labels are for seeds" in panel.problem
    loop = way(labelled_styles, [3], 30, goals={"hair": "each in turn"}, loop=True)
    steps = (loop - loop.roll(1, 0)).flatten(1).norm(dim=1)
    assert steps.min() > 0.1 * steps.max()  # it stands nowhere


def test_a_seed_that_is_refused_can_be_undone(generator):
    panel = DirectionsPanel(generator)
    panel.seed.value = "-"
    assert "expected whole numbers" in panel.problem and not panel.history.undo_button.disabled
    panel.history.undo()
    assert panel.problem == "" and panel.seed.value == "3"
    panel.seed.value = ""
    assert panel.seed.value == "3" and panel.problem == ""
