// The tools: one panel at a time, below the tabs.

import { drawLast, paint } from "./drawing.js";
import {
  $, button, checkbox, colourChoice, complain, field, grid, hint, make, menu, refill, slider,
} from "./elements.js";
import { STAY } from "./generator.js";
import { seedOf } from "./random.js";
import { copied, newFace, slidersOf } from "./state.js";
import { change, drawBetween, drawFace, isSame, keptHere, randomSeed, studio } from "./studio.js";
import { text, word } from "./texts.js";

const OFFERED = 6; // neighbours, and faces to mix with
const SMALL = 96; // pixels of a small face
const SECONDS = 2; // of a walk, from face to face
const REST = 200; // milliseconds without a change, after which the neighbours are drawn

const PANELS = { design: designPanel, directions: directionsPanel, mix: mixPanel, walk: walkPanel };
const TABS = Object.keys(PANELS);
let tab = "design";

export function showTabs() {
  const list = $("tabs");
  list.setAttribute("aria-label", text("tools"));
  refill(list, ...TABS.map((name) => {
    const made = button(name, () => chooseTab(name), { id: `tab-${name}` });
    made.setAttribute("role", "tab");
    made.setAttribute("aria-selected", String(name === tab));
    made.setAttribute("aria-controls", "panel");
    made.tabIndex = name === tab ? 0 : -1;
    return made;
  }));
}

function chooseTab(name) {
  if (tab === "walk") {
    drawFace(); // what was shown on the way is no face that can be kept
  }
  tab = name;
  showTabs();
  showPanel();
}

export function listenToTabs() {
  $("tabs").addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      chooseTab(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
      $(`tab-${tab}`).focus();
    }
  });
}

export function showPanel() {
  studio.walking = null;
  $("panel").setAttribute("aria-labelledby", `tab-${tab}`);
  refill($("panel"), ...PANELS[tab]());
}

// What depends on the kept faces.
export function trayChanged() {
  if (tab === "mix" || tab === "walk") {
    showPanel();
  }
}

// -- design

function designPanel() {
  const { about } = studio.entry;
  const parts = [grid(seedField())];
  for (const attribute of about.attributes ?? []) {
    parts.push(...labelControls(attribute, about.labels[attribute].classes));
  }
  if (!about.has_styles) {
    return [...parts, hint("noStyles")];
  }
  const measured = Object.keys(about.colours.named).filter((part) => !about.labels?.[part]);
  for (const part of measured) {
    parts.push(...colourControls(part));
  }
  parts.push(hint(measured.length ? "measured" : "learned"));
  if (!studio.face.base) {
    const boldness = slider(text("boldness"), studio.face.psi, { min: 0, max: 1.2 }, (psi) => {
      change({ ...copied(studio.face), psi }, { kind: "psi", redraw: false });
      drawNearSoon();
    });
    parts.push(grid(boldness), hint("boldnessHint"), ...nearPart());
  }
  return parts;
}

// A number, or a word such as a name: each stands for a face.
function seedField() {
  const { seed, base } = studio.face;
  return field(text("seed"), base ? "" : String(seed), (words) => {
    if (words.trim()) {
      try {
        const next = { ...copied(studio.face), seed: seedOf(words), base: null, steps: [] };
        change(next, { redraw: base !== null }); // else what is clicked next would be gone
        drawNearSoon();
      } catch (error) {
        complain(error);
      }
    }
  });
}

// The face with an attribute of two classes, `share` of the second one.
function ordered(attribute, first, second, share) {
  const next = copied(studio.face);
  if (second) {
    next.labels[attribute] = [[first, 1 - share], [second, share]];
  } else if (first === STAY) {
    delete next.labels[attribute];
  } else {
    next.labels[attribute] = [[first, 1]];
  }
  return next;
}

// The colour of a label, a menu for a second one, and how much of that.
function labelControls(attribute, classes) {
  const shares = studio.face.labels[attribute] ?? [[STAY, 1]];
  const [first] = shares[0];
  const [second, share] = shares[1] ?? ["", 0.5];
  const choice = colourChoice(word(attribute), first, classes, (one) => {
    change(ordered(attribute, one, second === one ? "" : second, share));
  });
  const options = [["", text("nothing")], ...classes.map((name) => [name, word(name)])];
  const more = [menu(`${word(attribute)}, ${text("mixedWith")}`, second, options, (other) => {
    change(ordered(attribute, first, other === first ? "" : other, share));
  })];
  if (second) {
    more.push(slider(`${word(second)}: ${text("howMuch")}`, share, { min: 0, max: 1 }, (part) => {
      change(ordered(attribute, first, second, part), { kind: `label ${attribute}`, redraw: false });
      drawNearSoon();
    }));
  }
  return [choice, grid(...more)];
}

// A colour of a generator that has learned no names, and how much of it.
function colourControls(part) {
  const { name, amount } = studio.face.named[part] ?? { name: STAY, amount: 1 };
  const controls = [colourChoice(word(part), name, Object.keys(studio.entry.about.colours.named[part]), (wanted) => {
    const next = copied(studio.face);
    delete next.named[part];
    if (wanted !== STAY) {
      next.named[part] = { name: wanted, amount };
    }
    change(next);
  })];
  if (name !== STAY) {
    controls.push(grid(slider(`${word(part)}: ${text("howMuch")}`, amount, { min: 0, max: 2 }, (value) => {
      const next = copied(studio.face);
      next.named[part] = { name, amount: value };
      change(next, { kind: `colour ${part}`, redraw: false });
      drawNearSoon();
    })));
  }
  return controls;
}

// -- faces to click

// A row of buttons with faces on them. pressed(i): number i was clicked. chosen: the number of the one that
// is chosen, or -1; undefined where none can be.
function faceButtons(kind, states, label, pressed, chosen) {
  const buttons = states.map((_, i) => {
    const made = make("button", { type: "button" }, make("canvas", { width: SMALL, height: SMALL }));
    made.setAttribute("aria-label", text(label, { number: i + 1 }));
    if (chosen !== undefined) {
      made.setAttribute("aria-pressed", String(i === chosen));
    }
    made.dataset.key = `${kind} ${i}`;
    made.addEventListener("click", () => pressed(i));
    return made;
  });
  drawLast(kind, { states, size: SMALL }, (pictures) => {
    pictures.forEach((picture, i) => {
      const canvas = buttons[i].querySelector("canvas");
      paint(canvas, picture);
      canvas.dataset.drawn = "1";
    });
  });
  return make("div", { className: "faces" }, ...buttons);
}

let different = 0.4;
let nearSeed = 1;
let nearRow = null;
let timer = 0;

// The settings of six faces like one.
export function neighboursOf(face) {
  return Array.from({ length: OFFERED }, (_, i) => {
    const next = copied(face);
    next.steps.push([nearSeed, i, different]);
    return next;
  });
}

function drawNear() {
  refill(nearRow, faceButtons("near", neighboursOf(studio.face), "neighbour", (i) => {
    const next = neighboursOf(studio.face)[i];
    nearSeed += 1;
    change(next);
  }));
}

function drawNearSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => nearRow?.isConnected && drawNear(), REST);
}

function nearPart() {
  nearRow = make("div");
  drawNear();
  const amount = slider(text("howDifferent"), different, { min: 0.1, max: 0.9 }, (value) => {
    different = value;
    drawNearSoon();
  });
  const others = button("others", () => {
    nearSeed += 1;
    drawNear();
  });
  return [make("h3", {}, text("near")), hint("nearHint"), nearRow, grid(amount), others];
}

// -- directions

function directionsPanel() {
  if (!studio.entry.about.has_styles) {
    return [hint("noStyles")];
  }
  const sliders = slidersOf(studio.entry).map(directionSlider);
  const hold = checkbox("hold", studio.face.hold, (held) => change({ ...copied(studio.face), hold: held }));
  const reset = button("reset", () => change({ ...copied(studio.face), changes: {} }));
  return [hint("holdHint"), grid(...sliders), hold, reset];
}

function directionSlider(name) {
  const most = Object.hasOwn(studio.entry.about.colours.sliders, name) ? 4 : 3;
  const value = studio.face.changes[name] ?? 0;
  return slider(word(name), value, { min: -most, max: most, step: 0.05 }, (strength) => {
    const next = copied(studio.face);
    delete next.changes[name];
    if (strength !== 0) {
      next.changes[name] = strength;
    }
    change(next, { kind: name, redraw: false });
  });
}

// -- mixing

let mixSeeds = [7, 12, 19, 25, 31, 40];

// Faces to mix with: the one that is chosen, the kept ones, others. Each once.
function mixOffers() {
  const { entry, face } = studio;
  const chosen = face.mix ? [face.mix.face] : [];
  const kept = keptHere().slice(-OFFERED).map((one) => ({ ...copied(one), mix: null }));
  const others = mixSeeds.map((seed) => newFace(entry.name, seed));
  const all = [...chosen, ...kept, ...others];
  return all.filter((one, i) => all.findIndex((other) => isSame(one, other)) === i);
}

function mixPanel() {
  const { entry, face } = studio;
  if (!entry.about.has_styles) {
    return [hint("noStyles")];
  }
  const groups = Object.entries(entry.about.layer_groups);
  const layers = face.mix?.layers ?? groups.slice(1).map(([, range]) => range);
  const offers = mixOffers();
  const chosen = offers.findIndex((one) => isSame(one, face.mix?.face));
  const row = faceButtons("mix", offers, "mixFace", (i) => {
    change({ ...copied(face), mix: { layers, face: offers[i] } });
  }, chosen);
  const boxes = groups.map(([name, [first, end]]) => {
    const isOn = layers.some(([from, to]) => from <= first && end <= to);
    return checkbox(name, isOn, () => change(mixedAnew(groups, boxes)), { disabled: !face.mix });
  });
  const others = button("others", () => {
    mixSeeds = mixSeeds.map(randomSeed);
    showPanel();
  });
  const none = button("noMix", () => change({ ...copied(face), mix: null }), { disabled: !face.mix });
  const buttons = make("div", { className: "buttons left" }, others, none);
  return [hint("mixHint"), row, make("div", {}, ...boxes), buttons];
}

// The face with the layers of the groups that are ticked.
function mixedAnew(groups, boxes) {
  const next = copied(studio.face);
  const ticked = groups.filter((_, i) => boxes[i].querySelector("input").checked).map(([, range]) => range);
  next.mix = ticked.length ? { ...next.mix, layers: ticked } : null;
  return next;
}

// -- a walk

// The face, then the kept ones, or two others where there are too few. None follows itself.
function wayOfWalk() {
  const kept = keptHere();
  const { entry, face } = studio;
  const stops = kept.length > 1 ? kept : [...kept, newFace(entry.name, 12), newFace(entry.name, 25)];
  const way = [face];
  for (const stop of stops) {
    if (!isSame(stop, way.at(-1)) && !isSame(stop, face)) {
      way.push(stop);
    }
  }
  return way.length > 1 ? way : [face, newFace(entry.name, randomSeed())];
}

function walkPanel() {
  const way = wayOfWalk();
  const bar = slider(text("position"), 0, { min: 0, max: way.length - 0.01 }, (position) => {
    studio.walking = null;
    play.textContent = text("play");
    drawOnTheWay(way, position);
  });
  const play = button("play", () => {
    if (studio.walking) {
      studio.walking = null;
      play.textContent = text("play");
    } else {
      play.textContent = text("pause");
      walkOn(way, bar);
    }
  }, { className: "first" });
  return [hint("walkHint"), play, bar];
}

function drawOnTheWay(way, position, then = () => {}) {
  const leg = Math.floor(position) % way.length;
  drawBetween(way[leg], way[(leg + 1) % way.length], position % 1, then);
}

function walkOn(way, bar) {
  const [input, output] = [bar.querySelector("input"), bar.querySelector("output")];
  const mine = { begun: performance.now() - 1000 * SECONDS * Number(input.value) };
  studio.walking = mine;
  const frame = () => {
    if (studio.walking !== mine) {
      return;
    }
    const position = ((performance.now() - mine.begun) / 1000 / SECONDS) % way.length;
    input.value = position;
    output.textContent = position.toFixed(2);
    drawOnTheWay(way, position, () => requestAnimationFrame(frame));
  };
  frame();
}
