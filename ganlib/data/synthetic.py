"""Draws labelled anime faces: the data set that is there when no other one is.

Every face is a function of (seed, index) alone. It is drawn from polygons on a canvas several times larger
than asked for, then averaged down, so that one face is the same picture at every size.

Coordinates are face units: the origin lies between the eyes, x points right, y down, and 1 is the width of
the picture. The chin is near y = 0.36, the top of the head near y = -0.42. Hair is made of locks: a lock is
a Bezier curve (root, bend, tip) with a width, and is drawn in grey tones that a palette turns into hair.

Two names go through all of it: `c` is the canvas, `t` has the traits of the face. An oval, a curve or a
stroke is an array of points (n, 2).
"""
import random
from functools import cache, lru_cache
from types import SimpleNamespace

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from ..errors import GanlibError

# The base colour of every class, RGB; the drawing jitters it a little.
HAIR = {"aqua": (116, 210, 208), "black": (62, 58, 74), "blonde": (250, 222, 142), "blue": (88, 122, 212),
        "brown": (150, 102, 74), "gray": (158, 160, 168), "green": (104, 178, 112), "orange": (246, 160, 88),
        "pink": (250, 166, 192), "purple": (156, 114, 206), "red": (204, 64, 68), "white": (242, 242, 248)}
EYES = {"aqua": (64, 200, 208), "black": (52, 48, 56), "blue": (56, 108, 226), "brown": (146, 88, 50),
        "green": (60, 170, 84), "orange": (244, 140, 44), "pink": (246, 108, 172), "purple": (144, 80, 206),
        "red": (218, 42, 52), "yellow": (240, 208, 56)}
_WHITE, _CREAM = (255, 255, 255), (253, 250, 251)
_LINE, _SHADE = (.70, .48, .48), (.93, .78, .77)  # what skin is multiplied by
_SKIN = (255, 240, 226), (255, 236, 218), (254, 231, 211), (255, 241, 235), (250, 222, 196), (232, 188, 150)
_CLOTH = ((250, 250, 252), (70, 84, 150), (206, 66, 80), (84, 78, 94), (140, 190, 226), (244, 170, 196),
          (110, 166, 130), (246, 200, 96), (130, 100, 160))
# Hair styles, in hundredths. Behind the face: locks of one side (root x, y, bend x, y, tip x, y, width).
_BACK: dict[str, tuple[tuple[int, ...], ...]] = {
    "long": ((14, -28, 36, 5, 22, 90, 15), (18, -30, 45, -2, 34, 95, 15), (18, -32, 52, -16, 44, 90, 13)),
    "bob": ((14, -20, 44, 18, 13, 38, 13), (16, -28, 50, 12, 21, 39, 14), (18, -32, 52, -4, 30, 36, 13)),
    "short": ((14, -20, 38, 6, 17, 30, 11), (16, -28, 46, 0, 26, 24, 12), (18, -30, 46, -10, 40, 14, 11))}
_TAIL = (31, -25, 56, -36, 43, 85, 15), (31, -24, 48, -18, 36, 80, 12), (31, -24, 54, -26, 40, 85, 14)
_BACK["tails"] = _BACK["pony"] = _BACK["short"] + _TAIL
# Fringe: parting, hairline, width of locks, tips (x, y) that both sides have, tips that one side has.
_FRINGE = {"straight": (0, -20, 10, ((28, 2), (21.5, -8), (14.5, -8.5), (7.3, -9)), ((0, -8.5),)),
           "spiky": (0, -20, 11, ((29, 9), (21, -3), (14.3, -6.5), (7.3, -5)), ((1, 3),)),
           "cross": (2, -22, 11, ((29, 10), (23.5, -5), (16, -11.5), (6.5, -4)), ((2, 5),)),
           "swept": (-13, -26, 12.5, ((29.5, 9), (25, -3)), ((20, -5), (13, -9), (5, -12), (-20, -14))),
           "parted": (0, -28, 12.5, ((30, 12), (26, 0), (20, -9), (12, -17)), ()),
           "open": (-6, -30, 11.5, ((30, 10), (27.8, -3), (24, -14)), ())}


def face(index, seed=0, size=64):
    """Draw face number `index` of the endless set `seed`.

    Returns a uint8 array (size, size, 3), RGB, and its labels {"hair": a key of HAIR, "eyes": a key of EYES}.
    The same (seed, index) is the same face at every size from 32 to 256 and in whatever order faces are
    drawn. Raises GanlibError for another size, and for an index or seed that is not an integer >= 0.
    """
    _check("size", size, 32, 256)
    _check("index", index, 0, 2**63)
    _check("seed", seed, 0, 2**63)
    t = _traits(_Dice(f"{seed}/{index}"))
    c = _Canvas(int(size), t)
    back, back_locks = _back_locks(t)
    cap, front_locks = _front_locks(t)
    c.put(*_hair(c, t, back, back_locks, depth=.35, tone=156, base_tone=78))
    hair, hair_mask = _hair(c, t, cap, front_locks, depth=1, tone=176, base_tone=172, shine=t.shine)
    _draw_body(c, t)
    _draw_head(c, t, hair_mask)
    through = _draw_eyes(c, t)
    before = c.flush().copy()
    c.put(hair, hair_mask)
    c.put(before, c.mask(through, 110))  # eyes and brows show through the fringe
    _draw_extra(c, t)
    return np.array(c.flush().reduce(c.times)), {"hair": t.hair, "eyes": t.eyes}


def _check(name, value, low, high):
    if not isinstance(value, int | np.integer) or not low <= value <= high:
        raise GanlibError(f"Cannot draw a face with {name}={value!r}: give an integer from {low} to {high}.")


class _Dice:
    """Random draws that are the same for the same seed."""

    def __init__(self, seed):
        dice = random.Random(seed)  # noqa: S311 (pictures, no secrets)
        self.between = dice.uniform
        self.choice = dice.choice
        self._triangular = dice.triangular
        self._choices = dice.choices

    def near_zero(self, sigma):
        """Bounded, so that no face is extreme."""
        return self._triangular(-2.4 * sigma, 2.4 * sigma)

    def pick(self, **weights):
        """One of the names, each as often as its weight says."""
        return self._choices(tuple(weights), tuple(weights.values()))[0]

    def jitter(self, rgb):
        """A colour like this one: a little lighter or darker, and of another tint."""
        light = self.near_zero(8)
        tint = [self.near_zero(4), self.near_zero(4), self.near_zero(4)]
        return np.clip(np.array(rgb) + light + tint, 0, 255)


def _traits(dice):
    """Everything that tells one face from another, and the dice for the wobble of single locks.

    A face is what the dice say in this order: a new trait goes to the end, or all faces change.
    """
    t = SimpleNamespace(dice=dice)
    between, near_zero, choice, pick = dice.between, dice.near_zero, dice.choice, dice.pick
    t.hair = choice(tuple(HAIR))
    t.eyes = choice(tuple(EYES))
    t.hair_rgb = dice.jitter(HAIR[t.hair])
    t.eye_rgb = dice.jitter(EYES[t.eyes])
    t.skin = np.array(choice(_SKIN[:4] * 4 + _SKIN), float)
    t.cloths = [np.array(choice(_CLOTH), float) for _ in range(3)]  # of the dress, its trim, and the extra
    t.collar = pick(shirt=3, sailor=3, round=2, bare=1, choker=1)
    tinted = choice((0, 0, 1))
    t.ground = (between(185, 255), between(185, 255), between(185, 255)) if tinted else _WHITE
    t.tilt = near_zero(.08)
    t.yaw = near_zero(.13)
    t.x = near_zero(.012)
    t.y = near_zero(.012)
    t.scale = 1.07 + near_zero(.025)
    t.back = pick(long=6, bob=4, short=3, tails=3, pony=2)
    t.temples = choice((0, .16, .2, .24, .45, .5, .55))
    t.fringe = pick(straight=3, spiky=4, cross=3, swept=4, parted=3, open=1.5)
    t.side = choice((-1, 1))
    t.wave = choice((0, 0, .01, .022))
    t.phase = between(0, 6.3)
    t.volume = between(1.01, 1.10)
    t.shine = int(between(14, 38))
    t.wide = between(.96, 1.04)
    t.chin = between(.335, .375)
    t.jaw = between(.92, 1.08)
    t.blush = between(.15, .7)
    t.eye_x = between(.174, .188)
    t.eye_w = between(.084, .096)
    t.eye_h = between(.072, .096)
    t.slant = near_zero(.09)
    t.open = choice((1, 1, 1, .85, .7))
    t.gaze = near_zero(.08)
    t.lash = between(.7, 1.2)
    t.brow = near_zero(.014)
    t.mood = pick(smile=5, neutral=4, laugh=3, sad=.9, angry=.8, cat=.7, gasp=.8)
    t.closed = pick(neither=40, wink=2, both=1)
    t.extra = pick(none=11, bow=2, pins=1.5, flower=1, band=1.2, glasses=1.3, ears=1)
    if t.extra == "ears":  # make room above the head
        t.scale -= .05
        t.y += .03
    t.ink = _mix(t.hair_rgb * .3, (46, 28, 34), .6)
    t.palette = _hair_palette(t)
    return t


def _hair_palette(t):
    """256 colours, from the darkest lines of hair to its lights, as the bytes of a palette."""
    warm = np.clip((t.hair_rgb[0] - t.hair_rgb[2]) / 120, 0, 1)  # darkens towards red, others to blue
    shade = _mix((.83, .80, .88), (.90, .77, .68), warm)
    light = .3 if t.hair == "black" else .55
    stops = [t.hair_rgb * f for f in (.8 * shade**5, shade**2.6, shade, 1)]
    stops += [_mix(t.hair_rgb, _WHITE, f) for f in (light, .6 + .4 * light)]
    palette = [np.interp(range(256), (0, 60, 130, 176, 225, 255), stop) for stop in np.transpose(stops)]
    return np.stack(palette, 1).astype(np.uint8).tobytes()


def _mix(a, b, amount):
    return np.multiply(a, 1 - amount) + np.multiply(b, amount)


@cache
def _spline(n):
    """Weights (8n - 7, n) of a Catmull-Rom spline through n points, which is what Pillow's BICUBIC is."""
    points = Image.fromarray(np.eye(n, dtype=np.float32))
    return np.array(points.resize((n, 8 * n - 7), Image.Resampling.BICUBIC, (0, 7 / 16, n, n - 7 / 16)))


_S = np.linspace(0, 1, 14)
_ANGLE = np.arange(28) * np.pi / 14
_BEZIER = np.stack([(1 - _S) ** 2, 2 * _S * (1 - _S), _S**2], 1)  # (14, 3)
_LOCK = 1.1 * (1 - _S) * (.4 + 2.6 * _S)  # how a lock's width changes from root to tip
_BLUNT = np.interp(_S, (0, .3, .6, .9, 1), (.5, .85, 1, .95, .5))
_LENS = np.sin(np.linspace(0, np.pi, 7))[:, None] * .7
_RING = np.stack([np.cos(_ANGLE), np.sin(_ANGLE)], 1)
_FLIP = np.array((-1, 1, -1, 1, -1, 1, 1))  # mirrors the rows of _BACK
_BANDS = np.stack([np.maximum(_RING, (-1, y)) for y in np.linspace(-1, .72, 10)])  # (10, 28, 2)


def _curve(*points):
    return _spline(len(points)) @ np.array(points, float)


def _oval(x, y, rx, ry):
    return _RING * (rx, ry) + (x, y)


def _mirror(points):
    return points[::-1] * (-1, 1)


def _both(*points):
    """A closed shape from the curve of its right side."""
    half = _curve(*points)
    return np.concatenate([half, _mirror(half)])


def _edges(curves, widths):
    """Both sides of strokes along `curves`, `widths` (..., points) across."""
    step = curves[..., 1:, :] - curves[..., :-1, :]
    along = np.concatenate([step[..., :1, :], step[..., 1:, :] + step[..., :-1, :], step[..., -1:, :]], -2)
    widths = widths / (np.hypot(along[..., 0], along[..., 1]) + 1e-9)
    half = along[..., ::-1] * (-.5, .5) * widths[..., None]
    return curves + half, curves - half


def _stroke(curve, width, ends=None):
    """The outline of one stroke: pointed at both ends, or `ends` (first, last) of its width there."""
    s = np.arange(len(curve)) / (len(curve) - 1)
    left, right = _edges(curve, width * (np.interp(s, (0, 1), ends) if ends else np.sin(np.pi * s)))
    return np.concatenate([left, right[::-1]])


class _Canvas:
    """An RGB picture some times larger than asked for, drawn on in face units."""

    def __init__(self, size, t):
        self.times = max(3, -(-192 // size))
        self.px = size * self.times
        self.todo = []
        self.turn = np.sin(t.yaw)
        self.cos = np.cos(t.yaw)
        cos = np.cos(t.tilt) * t.scale * self.px
        sin = np.sin(t.tilt) * t.scale * self.px
        self.matrix = np.array([(cos, sin), (-sin, cos)])
        self.offset = np.array([.5 + t.x, .43 + t.y]) * self.px
        ground = Image.fromarray(np.linspace(_WHITE, t.ground, 32).astype(np.uint8)[:, None])
        column = ground.resize((1, self.px), Image.Resampling.BILINEAR)
        self.image = column.resize((self.px, self.px), Image.Resampling.NEAREST)

    def at(self, points, depth=1):
        """Canvas pixels of face units, for points on a round head that is turned by the yaw."""
        x, turned = points[..., 0], points.copy()
        turned[..., 0] = x * self.cos + (np.sqrt(np.maximum(.1444 - x * x, 0)) * depth - .2) * self.turn
        return turned @ self.matrix + self.offset

    def fill(self, points, rgb, depth=1.0, edge=None, width=0):
        """Queue a polygon, with a line of the colour `edge` around it; or a line where `width` is given."""
        pixels = max(1, round(width * self.px)) if width else 0
        self.todo.append((points, tuple(map(int, rgb)), depth, pixels))
        if edge is not None:
            self.fill(np.concatenate([points, points[:1]]), edge, depth, width=.006)

    def flush(self):
        """Draw what is queued, by one transformation, and return the picture."""
        if not self.todo:
            return self.image
        shapes, colours, depths, widths = zip(*self.todo, strict=True)
        sizes = [len(points) for points in shapes]
        xy = self.at(np.concatenate(shapes), np.repeat(depths, sizes)).ravel().tolist()
        draw = ImageDraw.Draw(self.image)
        start = 0
        for size, rgb, width in zip(sizes, colours, widths, strict=True):
            part = xy[start:start + 2 * size]
            start += 2 * size
            if width:
                draw.line(part, rgb, width)
            else:
                draw.polygon(part, rgb)
        self.todo.clear()
        return self.image

    def mask(self, shapes, value=255):
        """A grey picture that is `value` within the shapes and 0 outside."""
        found = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(found)
        for points in shapes:
            draw.polygon(self.at(points).ravel().tolist(), value)
        return found

    def put(self, paint, mask):
        """Paint a colour, or a picture of the canvas's size, where `mask` says."""
        box = mask.getbbox() or (0, 0, 1, 1)
        part = paint if isinstance(paint, tuple) else paint.crop(box)
        self.flush().paste(part, box, mask.crop(box))


def _locks(rows, t, profile=_LOCK):
    """Locks from rows (root, bend, tip, width): their middles and both edges, (3, locks, 14, 2)."""
    rows = rows * _FLIP if t.side < 0 else rows
    wobble = np.reshape([t.dice.near_zero(.014) for _ in range(6 * len(rows))], (-1, 3, 2))
    wobble = wobble * ((.3,), (1,), (1,))  # roots hardly move
    curves = _BEZIER @ ((rows[:, :6].reshape(-1, 3, 2) + wobble) * (t.volume, 1))
    y = curves[..., 1]
    curves[..., 0] += t.wave * np.sin(15 * y + t.phase) * np.clip(4 * y + .6, 0, 1)
    widths = rows[:, 6:] * [[1 + t.dice.near_zero(.12)] for _ in rows] * profile
    return np.stack([curves, *_edges(curves, widths)])


def _back_locks(t):
    """The shape behind the head, and the locks at its sides."""
    low, out = {"long": (.75, .35), "bob": (.31, .35)}.get(t.back, (.22, .31))
    base = _both((0, -.405), (.2, -.355), (.32, -.21), (.352, -.03), (out, .5 * low), (out - .03, low))
    rows = np.concatenate([_BACK[t.back], _BACK[t.back] * _FLIP])
    if t.back == "pony":
        rows = rows[:-3]  # the tail of one side only
    return base * (t.volume, 1), _locks(rows / 100, t)


def _front_locks(t):
    """The cap over the skull, and the locks at the temples and of the fringe."""
    *hundredths, both, single = _FRINGE[t.fringe]
    part, line, width = np.array(hundredths) / 100
    x, y = np.array([(side * x, y) for x, y in both for side in (-1, 1)] + [*single]).T / 100
    root = (part + x) / 2
    bend = 1.18 * x - .12 * part, .55 * y - .24
    rows = np.stack([root, root**2 - .39, *bend, x, y, np.full(len(x), width)], 1)
    if t.temples:
        temple = np.array([(.22, -.29, .37, .0, .245, t.temples, .09),
                           (.24, -.27, .375, .05, .305, t.temples - .07, .08)])
        rows = np.concatenate([temple, temple * _FLIP, rows])
    blunt = (t.fringe == "straight") & (rows[:, 5:6] < -.05)
    part = part * t.side
    crown = _oval(0, -.03, .35 * t.volume, .41 * t.volume)[14:]
    middle = (part + .05, line + .03), (part, line), (part - .05, line + .03)
    hairline = _curve((.345, .0), (.28, -.15), *middle, (-.28, -.15), (-.345, .0))
    return np.concatenate([crown, hairline]), _locks(rows, t, np.where(blunt, _BLUNT, _LOCK))


@lru_cache(maxsize=8)
def _light(px):
    """How light falls on hair, around 128: brightest at the upper left, darker at the sides and the tips."""
    y, x = np.mgrid[0:1:24j, 0:1:24j]
    light = 128 + 22 * np.exp(-((x - .42) / .3) ** 2 - ((y - .16) / .14) ** 2)
    light -= 36 * np.abs(x - .5) ** 1.5 + 26 * np.clip(y - .3, 0, 1)
    return Image.fromarray(light.astype(np.uint8)).resize((px, px), Image.Resampling.BICUBIC)


def _hair(c, t, base, locks, depth, tone, base_tone, shine=0):
    """A picture of hair, and where it is: first its shape `base`, then one lock over the other."""
    tones = Image.new("L", c.image.size)
    draw = ImageDraw.Draw(tones)
    thin = max(1, round(.006 * c.px))
    middle, left, right = c.at(locks, depth)
    is_left = (middle[:, 6, 0] < c.px / 2) == (left[:, 6, 0] < right[:, 6, 0])
    outer = np.where(is_left[:, None, None], left, right)  # the edge away from the middle: in the shade
    half, centre = _LENS * (outer - middle)[:, 2:9], middle[:, 2:9]
    outline = c.at(base, depth).ravel().tolist()
    draw.polygon(outline, base_tone)
    draw.line(outline + outline[:2], 32, thin)
    bodies = _closed(left, right)
    shades = _closed(outer[:, 3:], outer[:, 3:] * .4 + middle[:, 3:] * .6)
    glints = _closed(centre - half, centre + half)
    strands = _closed(middle[:, 1:] * .7 + left[:, 1:] * .3, middle[:, 1:] * .8 + left[:, 1:] * .2)
    lines = _closed(left[:, 4:], right[:, 4:])
    for k, (body, shade, glint, strand, line) in enumerate(
            zip(bodies, shades, glints, strands, lines, strict=True)):
        draw.polygon(body, tone + 7 * k % 13 - 6)
        draw.polygon(shade, tone - 38)
        if shine:
            draw.polygon(glint, tone + shine)
        draw.polygon(strand, tone - 30 if k % 2 else tone + 24)
        draw.line(line, 60, thin)
    mask = tones.point([0] + [255] * 255)
    tones = ImageChops.add(tones, _light(c.px), 1, -128)
    tones.putpalette(t.palette)
    return tones.convert("RGB"), mask


def _closed(edges, opposite):
    """The outlines between two edges of every lock, each as a flat list of pixels."""
    return np.concatenate([edges, opposite[:, ::-1]], 1).reshape(len(edges), -1).tolist()


def _draw_body(c, t):
    """Neck, shoulders, collar."""
    cloth, trim, _ = t.cloths
    shoulders = _both((.085, .2), (.085, .36), (.10, .45), (.20, .515), (.5, .61), (.7, .9))
    c.fill(shoulders, t.skin, .3, t.skin * _LINE)
    c.fill(_both((.085, .2), (.085, .37), (.05, .43)), t.skin * _SHADE, .3)
    if t.collar == "choker":
        c.fill(_stroke(_curve((-.089, .418), (0, .452), (.089, .418)), .034, (1, 1)), trim, .3)
    elif t.collar != "bare":
        half = _curve((.11, .455), (.3, .525), (.6, .61), (.8, .9))
        neckline = _curve((-.11, .455), (0, .53 if t.collar == "round" else .60), (.11, .455))
        c.fill(np.concatenate([_mirror(half), neckline, half]), cloth, .2, cloth * .6)
    for s in (-1, 1):
        if t.collar == "sailor":
            c.fill(np.array([(.11, .45), (.28, .52), (.25, .7), (0, .62)]) * (s, 1), trim, .2)
            c.fill(np.array([(.12, .50), (0, .645)]) * (s, 1), _mix(trim, _WHITE, .8), .2, width=.006)
        elif t.collar == "shirt":
            flap = np.array([(.10, .43), (.17, .49), (.09, .59), (0, .55)]) * (s, 1)
            c.fill(flap, _mix(cloth, _WHITE, .6), .2, cloth * .6)
            c.fill(_oval(0, .575, .03, .03), trim, .2)


def _draw_head(c, t, hair_mask):
    """Ears, face, blush, the shadow of the hair, nose and mouth."""
    skin = t.skin
    if t.back in ("short", "tails", "pony"):  # other hair covers the ears
        for s in (-1, 1):
            c.fill(_oval(s * .288, .05, .034, .062), skin, .9, skin * _LINE)
            c.fill(_oval(s * .292, .055, .016, .038), skin * _SHADE, .9)
    jaw, chin = t.jaw, t.chin
    half = np.array([(.29, -.2), (.296, -.03), (.288, .08), (.258 * jaw, .165), (.198 * jaw, chin - .12),
                     (.116 * jaw, chin - .053), (.04, chin - .009)]) * (t.wide, 1)
    outline = _curve(*half, (0, chin), *_mirror(half))
    head = np.concatenate([outline, _curve((-.25, -.33), (0, -.38), (.25, -.33))])
    c.fill(head, skin)
    for s in (-1, 1):
        for k in range(1, 6):
            pink = _mix(skin, (255, 116, 116), t.blush * k / 6)
            c.fill(_oval(s * .20, .115, .085 - .014 * k, .052 - .008 * k), pink)
    shadow = Image.new("L", c.image.size)
    shadow.paste(hair_mask, (round(.008 * c.px), round(.03 * c.px)))
    c.put(tuple(map(int, skin * _SHADE)), ImageChops.multiply(shadow, c.mask([head])))
    c.fill(outline, skin * _LINE, width=.006)
    nose = _curve((.002, .115), (.010, .138), (-.004, .148))
    c.fill(_stroke(nose, .010), skin * (.92, .75, .72), 1.12)
    _draw_mouth(c, t)


def _draw_mouth(c, t):
    red = t.skin * (.68, .36, .38)
    y = t.chin - .105
    if t.mood in ("laugh", "gasp"):
        w, h, dip = (.056, .052, .002) if t.mood == "laugh" else (.028, .042, -.022)
        lower = _curve((w, -.012), (w * .62, h * .62), (0, h), (-w * .62, h * .62), (-w, -.012))
        lips = np.concatenate([_curve((-w, -.012), (0, dip), (w, -.012)), lower]) + (0, y)
        c.fill(lips, (170, 60, 68), edge=red)
        c.fill(_oval(0, y + h * .72, w * .5, h * .25), (244, 138, 134))
        return
    if t.mood == "cat":
        bend = -.012, .010, -.006
    else:
        b = {"smile": .022, "neutral": .006, "sad": -.014, "angry": -.010}[t.mood]
        bend = -b * .6, b * .4, b * .55
    corner, between, middle = bend
    mouth = _curve((-.048, corner), (-.024, between), (0, middle), (.024, between), (.048, corner))
    c.fill(_stroke(mouth + (0, y), .012), red)
    c.fill(_stroke(_curve((-.022, y + .032), (0, y + .036), (.022, y + .032)), .009), t.skin * _SHADE)


def _draw_eyes(c, t):
    """Eyes and brows; returns the polygons that show through hair."""
    openings, lids, lines = [], [], []
    before = c.flush()
    c.image = before.copy()
    for side in (-1, 1):
        eye = _Eye(t, side)
        if t.closed == "both" or t.closed == "wink" and side == t.side:
            lids.append(eye.closed_lid())
            continue
        openings.append(eye.opening())
        eye.draw_inside(c)
        lids += eye.lids()
        lines += eye.lines()
    inside, c.image = c.flush(), before
    c.put(inside, c.mask(openings))
    brows = _brows(t)
    lines += [(lid, t.ink) for lid in lids]
    lines += [(brow, _mix(t.hair_rgb * .5, t.ink, .3)) for brow in brows]
    for part, rgb in lines:
        c.fill(part, rgb)
    return openings + lids + brows


class _Eye:
    """One eye. Its shapes are in eye units: x points outward, and 1 is half of its width and height."""

    def __init__(self, t, side):
        self.t = t
        self.side = side
        self.middle = side * t.eye_x, .012
        self.matrix = np.array([(side * t.eye_w, -t.eye_w * t.slant), (0, t.eye_h)])
        self.iris = t.gaze * side - .05  # its x
        o = t.open
        self.upper = _curve((-1.0, .26), (-.78, -.36 * o), (-.15, -.88 * o), (.55, -.72 * o), (1.0, .0))
        self.lower = _curve((1.0, .0), (.84, .62), (.25, .94), (-.5, .86), (-1.0, .26))

    def placed(self, points):
        """Face units of eye units."""
        return points @ self.matrix + self.middle

    def opening(self):
        return self.placed(np.concatenate([self.upper, self.lower]))

    def closed_lid(self):
        return _stroke(self.placed(_curve((-1, .45), (-.5, -.05), (.1, -.2), (.65, .05), (1.1, .55))), .026)

    def lids(self):
        """The upper lid and the lash at its end."""
        lash = np.array([(.7, -.5 * self.t.open), (1.34, -.34), (1, .15)])
        return [_stroke(self.placed(self.upper), .027 * self.t.lash, (.35, 1.2)), self.placed(lash)]

    def draw_inside(self, c):
        """White, the shadow of the lid, the iris in bands from dark to light, the pupil and a glow below."""
        t, x = self.t, self.iris
        c.fill(self.placed(_RING * 2), _CREAM)
        c.fill(self.placed(np.concatenate([self.upper, self.upper[::-1] + (0, .42)])), (196, 190, 210))
        glow = .03 if t.eyes == "black" else .07
        tones = [t.eye_rgb * .3] + [_mix(t.eye_rgb * .35, t.eye_rgb, k / 4) for k in range(5)]
        tones += [_mix(t.eye_rgb, _WHITE, glow * k) for k in range(1, 6)]
        bands = [_oval(x, .02, .80, 1.08), *(_BANDS * (.73, .99) + (x, .02))]
        for part, rgb in zip(bands, tones, strict=True):
            c.fill(self.placed(part), rgb)
        c.fill(self.placed(_oval(x, .0, .30, .46)), t.eye_rgb * .22)
        c.fill(self.placed(_oval(x, .68, .32, .14)), _mix(t.eye_rgb, _WHITE, .5))

    def lines(self):
        """[(shape, colour), ...] of what lies over the eye: lights, the lower lid, the crease."""
        t, x, side, o = self.t, self.iris, self.side, self.t.open
        crease = _curve((-.6, -.85 * o - .14), (0, -1.26 * o - .06), (.7, -.95 * o - .08))
        return [
            (self.placed(_oval(x - .28 * side, -.40, .24, .29)), _WHITE),
            (self.placed(_oval(x + .28 * side, .42, .14, .16)), _WHITE),
            (_stroke(self.placed(self.lower[3:24]), .009), _mix(t.ink, t.skin, .3)),
            (_stroke(self.placed(crease), .008), t.skin * (.74, .52, .50)),
        ]


def _brows(t):
    inner, outer = {"angry": (-.115, -.165), "sad": (-.175, -.135), "gasp": (-.17, -.175)}.get(
        t.mood, (-.145, -.15))
    brow = _curve((.085, inner - t.brow), (.16, (inner + outer) / 2 - .022), (.25, outer + t.brow + .015))
    return [_stroke(brow * (side, 1), .015, (1, .15)) for side in (-1, 1)]


def _draw_extra(c, t):
    """What is in or on the hair; glasses."""
    draw = {"bow": _draw_bow, "pins": _draw_pins, "flower": _draw_flower, "band": _draw_band,
            "glasses": _draw_glasses, "ears": _draw_cat_ears}.get(t.extra)
    if draw:
        draw(c, t, t.cloths[2], t.cloths[2] * .62)


def _draw_bow(c, t, rgb, dark):
    for way in (-1, 1):
        loop = _curve((0, 0), (.06, -.075), (.13, -.06), (.125, .03), (.05, .035), (0, 0)) * (way, 1)
        c.fill(loop + (t.side * .25, -.29), rgb, .8, dark)
        c.fill(loop * (.6, .3) + (t.side * .25, -.29), dark, .8)
    c.fill(_oval(t.side * .25, -.29, .026, .030), rgb, .8, dark)


def _draw_pins(c, t, rgb, dark):
    for y in (-.21, -.165):
        bar = _curve((.15, y + .01), (.20, y), (.25, y + .02)) * (t.side, 1)
        c.fill(_stroke(bar, .026, (1, 1)), rgb, .8, dark)


def _draw_flower(c, t, rgb, dark):
    for x, y in _RING[::6] * .042:
        c.fill(_oval(t.side * .26 + x, y - .23, .034, .034), rgb, .8, dark)
    c.fill(_oval(t.side * .26, -.23, .022, .022), (255, 226, 120), .8)


def _draw_band(c, t, rgb, dark):
    arch = _oval(0, -.03, .345, .33)[15:28]
    c.fill(_stroke(arch, .042, (1, 1)), rgb, .8, dark)
    c.fill(_stroke(arch, .012), _mix(rgb, _WHITE, .5), .8)


def _draw_glasses(c, t, rgb, dark):
    for side in (-1, 1):
        rim = _oval(side * .182, .03, .118, .098)[np.arange(29) % 28]
        arm = np.array([(.30, .0), (.335, -.02)]) * (side, 1)
        bridge = _curve((0, .0), (.03, .005), (.064, .02)) * (side, 1)
        for part in (rim, arm, bridge):
            c.fill(part, dark, width=.011)


def _draw_cat_ears(c, t, rgb, dark):
    for side in (-1, 1):
        ear = _curve((.09, -.375), (.20, -.50), (.325, -.545), (.345, -.40), (.315, -.22)) * (side, 1)
        c.fill(ear, t.hair_rgb * .95, .5, t.hair_rgb * .5)
        c.fill(ear * .66 + (side * .085, -.135), _mix(t.hair_rgb, (255, 190, 190), .65), .5)
