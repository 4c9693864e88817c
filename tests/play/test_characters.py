"""Characters: a face from its settings alone, and its neighbours."""
import numpy as np
import pytest
import torch

from ganlib.errors import GanlibError
from ganlib.models.sampling import generate, latents, styles
from ganlib.models.store import load_generator
from ganlib.play.characters import character, neighbours, origin
from ganlib.play.directions import directions, face_colours
from ganlib.play.named_colours import CLOSE, EYE_COLOURS, HAIR_COLOURS, how_near


def test_a_face_from_its_settings(generator, G):
    named, colours = directions(generator)
    base = styles(G, latents(1, 16, 3), 0.7)
    assert torch.equal(character(generator, 3), base)
    changes = {"hair length": 2.0, "eyes: blue – red": -1.5}
    step = 2 * named["hair length"] - 1.5 * (10 * colours[3] - 10 * colours[5])
    assert torch.allclose(character(generator, 3, changes=changes), base + step, atol=1e-5)
    whole = character(generator, 3, hair="pink") - base
    half = character(generator, 3, hair="pink", hair_amount=0.5) - base
    assert whole.norm() > 0 and torch.allclose(half, whole / 2, atol=1e-3)


def test_named_colours_arrive():
    generator = load_generator("stylegan-fast")
    bases = torch.cat([origin(generator.G, seed) for seed in range(12)])
    before = face_colours(generate(generator, bases))
    faces = generate(generator, character(generator, base=bases, hair="green"))
    after = face_colours(faces)
    missing = np.linalg.norm(after[:, :3] - np.array(HAIR_COLOURS["green"]), axis=1)
    assert np.median(missing) < CLOSE / 2 and (missing < CLOSE).mean() > 0.8
    assert np.abs(after[:, 3:] - before[:, 3:]).mean() < CLOSE / 2  # the eyes stay
    near = [not how_near(image, {"hair": "green"}) for image in faces]
    assert near == (missing <= CLOSE).tolist()
    both = character(generator, base=bases[:2], hair="blue", eyes="red")
    eyes = face_colours(generate(generator, both))[:, 3:]
    assert np.linalg.norm(eyes - np.array(EYE_COLOURS["red"]), axis=1).max() < 2 * CLOSE
    words = how_near(faces[0], {"hair": "red"})
    assert "comes no nearer to red hair (still" in words and "lower boldness" in words


def test_hold_the_rest(generator, G):
    named, colours = directions(generator)
    base = styles(G, latents(1, 16, 3), 0.7)
    held = character(generator, 3, changes={"hair: dark – light": 2.0}, hold=True)
    assert torch.equal(held[:, :2], base[:, :2])  # coarse: two layers
    assert not torch.equal(held[:, 2:], base[:, 2:])
    step = (character(generator, 3, changes={"direction 2": 1.0}, hold=True) - base)[0, 0]
    assert (step @ colours.T).abs().max() < 1e-4 * step.norm() * colours.norm() and step.norm() > 0


def test_neighbours_keep_the_spread(G):
    ws = styles(G, latents(1, 16, 3))
    assert torch.allclose(neighbours(G, ws, 1, 0.0), ws.expand(6, -1, -1), atol=1e-6)
    assert torch.allclose(neighbours(G, ws, 1, 1.0, 0.7), styles(G, latents(6, 16, 1), 0.7), atol=1e-5)
    a, b = (x - G.w_avg for x in (ws, styles(G, latents(6, 16, 1))))
    assert torch.allclose(neighbours(G, ws, 1, 0.6, 1.0), G.w_avg + 0.8 * a + 0.6 * b, atol=1e-5)
    two = origin(G, 3, 1.0, [(1, 4, 0.6), (2, 0, 0.3)])
    assert torch.equal(two, neighbours(G, neighbours(G, ws, 1, 0.6, 1.0)[4:5], 2, 0.3, 1.0)[:1])


def test_misspelt_settings_are_refused(generator):
    for wrong in (dict(hair="purpl"), dict(eyes="gren"), dict(changes={"hair: dark": 1})):
        with pytest.raises(GanlibError, match="There is no .* Did you mean"):
            character(generator, **wrong)
