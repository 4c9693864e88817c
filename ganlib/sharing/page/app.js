// The page: controls, and what they do to the face. Pictures are drawn by the worker.

import { STAY, LOOKS, COLOURS } from "./generator.js";
import { canvasOf, download, latentFile, pngOf, readFace, sheetOf, toSettings, withLatents } from "./files.js";
import { History, copied, fromAddress, newFace, toAddress } from "./state.js";
import { NAMES, text, useLanguage, word } from "./texts.js";

const OFFERED = 6; // neighbours, and faces to mix with
const TRAY = "ganlib tray";
const CHOICES = "ganlib choices"; // language and theme
const MOST_KEPT = 60;
const SECONDS = 2; // of a walk, from face to face

const $ = (id) => document.getElementById(id);

// -- the worker

const worker = new Worker("worker.js", { type: "module" });
const asked = new Map();
let number = 0;

worker.onmessage = ({ data }) => {
  if ("progress" in data) {
    $("progress").value = data.progress;
    say("loading", { percent: Math.round(100 * data.progress) });
    return;
  }
  const { done, failed } = asked.get(data.id);
  asked.delete(data.id);
  document.documentElement.toggleAttribute("data-busy", asked.size > 0);
  if (data.error) {
    failed(Object.assign(new Error(data.error.text), data.error));
  } else {
    done(data.result);
  }
};
worker.onerror = (event) => {
  complain({ text: "unexpected", values: { why: event.message ?? "worker" } });
};

function ask(verb, rest) {
  return new Promise((done, failed) => {
    number += 1;
    asked.set(number, { done, failed });
    document.documentElement.toggleAttribute("data-busy", true);
    worker.postMessage({ id: number, verb, ...rest });
  });
}

// Only the last of many wishes of a kind is drawn: what was asked for in between is passed over.
const waiting = new Map();

async function drawLast(kind, request, show) {
  const isBusy = waiting.has(kind);
  waiting.set(kind, { request, show });
  if (isBusy) {
    return;
  }
  try {
    for (let next = waiting.get(kind); next; ) {
      const { pictures, milliseconds } = await ask("draw", next.request);
      const newest = waiting.get(kind);
      next.show(pictures, milliseconds);
      next = newest === next ? null : newest;
    }
  } catch (error) {
    complain(error);
  } finally {
    waiting.delete(kind);
  }
}

// -- what is said

function say(name, values = {}) {
  $("says").textContent = text(name, values);
  $("says").classList.remove("trouble");
}

function complain(error) {
  const known = typeof error.text === "string" ? error.text : null;
  const name = known ?? error.message;
  $("says").textContent = text(name, error.values ?? { why: String(error.message) });
  $("says").classList.add("trouble");
  $("progress").hidden = true;
}

// -- small things to build controls of

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

let names = 0;

function control(label, input, output = null) {
  names += 1;
  input.id = `control-${names}`;
  input.dataset.key = label;
  const words = make("label", { htmlFor: input.id }, label);
  if (output) {
    words.append(output);
  }
  return make("div", { className: "control" }, words, input);
}

function slider(label, value, { min, max, step = 0.01 }, moved) {
  const input = make("input", { type: "range", min, max, step, value });
  const shown = make("output", {}, Number(value).toFixed(2));
  input.addEventListener("input", () => {
    shown.textContent = Number(input.value).toFixed(2);
    moved(Number(input.value));
  });
  return control(label, input, shown);
}

function menu(label, value, options, chosen) {
  const select = make("select");
  for (const [name, shown] of options) {
    select.append(make("option", { value: name }, shown));
  }
  select.value = value;
  select.addEventListener("change", () => chosen(select.value));
  return control(label, select);
}

function button(name, pressed, properties = {}) {
  const made = make("button", { type: "button", ...properties }, text(name));
  made.dataset.key = name;
  made.addEventListener("click", pressed);
  return made;
}

function hint(name) {
  return make("p", { className: "hint" }, text(name));
}

// -- the face

let entries = [];
let entry = null;
let face = null;
let history = null;
let shown = null; // RGBA of the face on the canvas
let firstDrawn = false;

// Show another face. kind: the name of what was moved, if it is moved in many small steps.
function change(next, { kind = null, keepHistory = false, redraw = true } = {}) {
  face = next;
  if (!keepHistory) {
    history.add(face, kind);
  }
  stopWalk();
  showFace();
  if (redraw) {
    showPanel();
  }
  $("undo").disabled = !history.canUndo;
  $("redo").disabled = !history.canRedo;
}

function showFace() {
  const drawn = face;
  drawLast("face", { states: [face] }, ([picture], milliseconds) => {
    paint(picture);
    if (drawn === face || !firstDrawn) {
      writeAddress();
    }
    if (!firstDrawn) {
      firstDrawn = true;
      $("progress").hidden = true;
      document.documentElement.dataset.ready = "true";
      performance.mark("first face");
      say("ready", { milliseconds: Math.round(milliseconds) });
    }
  });
}

function paint(picture) {
  shown = picture;
  const canvas = $("picture");
  canvas.width = canvas.height = 512;
  const context = canvas.getContext("2d");
  context.drawImage(canvasOf(picture, entry.about.resolution, 512), 0, 0);
  canvas.setAttribute("aria-label", text("face", { seed: face.seed }));
  canvas.dataset.drawn = String(Number(canvas.dataset.drawn ?? 0) + 1);
}

let written = "";

function writeAddress() {
  written = toAddress(face, entry);
  window.history.replaceState(null, "", `#${written}`);
}

function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
}

function surprise() {
  const next = newFace(entry.name, randomSeed());
  next.psi = face.psi;
  for (const [attribute, shares] of Object.entries(face.labels)) {
    next.labels[attribute] = shares; // orders stay
  }
  change(next);
}

// -- the tools: one panel at a time

const PANELS = { design: designPanel, directions: directionsPanel, mix: mixPanel, walk: walkPanel };
const TABS = Object.keys(PANELS);
let tab = "design";

function showTabs() {
  const list = $("tabs");
  list.setAttribute("aria-label", text("tools"));
  list.replaceChildren(...TABS.map((name) => {
    const made = button(name, () => chooseTab(name), { id: `tab-${name}` });
    made.setAttribute("role", "tab");
    made.setAttribute("aria-selected", String(name === tab));
    made.setAttribute("aria-controls", "panel");
    made.tabIndex = name === tab ? 0 : -1;
    return made;
  }));
}

function chooseTab(name) {
  stopWalk();
  tab = name;
  showTabs();
  showPanel();
}

$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) {
    chooseTab(TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length]);
    $(`tab-${tab}`).focus();
  }
});

// The panel is made anew. What had the keyboard keeps it: it is found again by its key.
function showPanel() {
  const panel = $("panel");
  const { key } = document.activeElement?.dataset ?? {};
  panel.setAttribute("aria-labelledby", `tab-${tab}`);
  panel.replaceChildren(...PANELS[tab]());
  if (key) {
    panel.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }
}

function designPanel() {
  const { about } = entry;
  if (!about.has_styles && !about.labels) {
    return [hint("noStyles")];
  }
  const parts = [];
  for (const [attribute, { classes }] of Object.entries(about.labels ?? {})) {
    parts.push(...labelControls(attribute, classes));
  }
  const measured = Object.keys(COLOURS).filter((part) => about.has_styles && !about.labels?.[part]);
  for (const part of measured) {
    parts.push(...colourControls(part));
  }
  parts.push(hint(measured.length ? "measured" : "learned"));
  if (about.has_styles && !face.base) {
    const boldness = slider(text("boldness"), face.psi, { min: 0, max: 1.2 }, (psi) => {
      change({ ...copied(face), psi }, { kind: "psi", redraw: false });
      drawNear();
    });
    parts.push(make("div", { className: "controls" }, boldness), hint("boldnessHint"), ...nearPart());
  }
  return parts;
}

// What the names of colours look like
const SWATCHES = {
  aqua: "#76d3d3",
  black: "#2f2c36",
  blonde: "#f3d47c",
  blue: "#4f79d8",
  brown: "#84563a",
  gray: "#a5a5b0",
  green: "#66b062",
  orange: "#f09845",
  pink: "#f397bf",
  purple: "#9467c6",
  red: "#cc4444",
  white: "#faf7f2",
  yellow: "#ead23f",
};

// The choice of a colour: a round button for each. Names that are no colours stand in a menu.
function colourChoice(label, value, classes, chosen) {
  if (!classes.every((name) => name in SWATCHES)) {
    const options = classes.map((name) => [name, word(name)]);
    return menu(label, value, [[STAY, text("asItIs")], ...options], chosen);
  }
  names += 1;
  const group = `choice-${names}`;
  const swatches = [STAY, ...classes].map((name) => {
    const input = make("input", { type: "radio", name: group, value: name, checked: name === value });
    const shownName = name === STAY ? text("asItIs") : word(name);
    input.setAttribute("aria-label", shownName);
    input.dataset.key = `${label} ${name}`;
    input.addEventListener("change", () => chosen(name));
    const dot = make("span", { className: name === STAY ? "dot none" : "dot" });
    dot.style.setProperty("--colour", SWATCHES[name] ?? "transparent");
    return make("label", { className: "swatch", title: shownName }, input, dot);
  });
  const words = value === STAY ? label : `${label}: ${word(value)}`;
  return make("fieldset", { className: "swatches" }, make("legend", {}, words), ...swatches);
}

// The colour of a label, a menu for a second one, and how much of that.
function labelControls(attribute, classes) {
  const shares = Object.entries(face.labels[attribute] ?? { [STAY]: 1 });
  const [first] = shares[0];
  const [second, part] = shares[1] ?? ["", 0.5];
  const ordered = (one, other, share) => {
    const next = copied(face);
    if (other) {
      next.labels[attribute] = { [one]: 1 - share, [other]: share };
    } else if (one === STAY) {
      delete next.labels[attribute];
    } else {
      next.labels[attribute] = { [one]: 1 };
    }
    return next;
  };
  const options = classes.map((name) => [name, word(name)]);
  const choice = colourChoice(word(attribute), first, classes, (one) => {
    change(ordered(one, second === one ? "" : second, part));
  });
  const more = [
    menu(`${word(attribute)}, ${text("mixedWith")}`, second, [["", text("nothing")], ...options], (other) => {
      change(ordered(first, other === first ? "" : other, part));
    }),
  ];
  if (second) {
    more.push(slider(`${word(second)}: ${text("howMuch")}`, part, { min: 0, max: 1 }, (share) => {
      change(ordered(first, second, share), { kind: `label ${attribute}`, redraw: false });
    }));
  }
  return [choice, make("div", { className: "controls" }, ...more)];
}

function colourControls(part) {
  const { name, amount } = face.named[part] ?? { name: STAY, amount: 1 };
  const controls = [colourChoice(word(part), name, Object.keys(COLOURS[part]), (wanted) => {
    const next = copied(face);
    delete next.named[part];
    if (wanted !== STAY) {
      next.named[part] = { name: wanted, amount };
    }
    change(next);
  })];
  if (name !== STAY) {
    const more = slider(`${word(part)}: ${text("howMuch")}`, amount, { min: 0, max: 2 }, (value) => {
      const next = copied(face);
      next.named[part] = { name, amount: value };
      change(next, { kind: `colour ${part}`, redraw: false });
    });
    controls.push(make("div", { className: "controls" }, more));
  }
  return controls;
}

function directionsPanel() {
  if (!entry.about.has_styles) {
    return [hint("noStyles")];
  }
  const sliders = entry.sliders.map((name) => {
    const most = name in LOOKS ? 4 : 3;
    return slider(word(name), face.changes[name] ?? 0, { min: -most, max: most, step: 0.05 }, (value) => {
      const next = copied(face);
      delete next.changes[name];
      if (value !== 0) {
        next.changes[name] = value;
      }
      change(next, { kind: name, redraw: false });
    });
  });
  const held = make("input", { type: "checkbox", checked: face.hold });
  held.addEventListener("change", () => change({ ...copied(face), hold: held.checked }));
  const hold = make("label", { className: "hint" }, held, ` ${text("hold")}`);
  const reset = button("reset", () => change({ ...copied(face), changes: {} }));
  return [hint("holdHint"), make("div", { className: "controls" }, ...sliders), hold, reset];
}

// -- faces to click

// A row of buttons with faces; draws them when they are shown.
function faceButtons(kind, states, label, pressed, isPressed = () => false) {
  const buttons = states.map((state, i) => {
    const canvas = make("canvas", { width: 96, height: 96 });
    const made = make("button", { type: "button" }, canvas);
    made.setAttribute("aria-label", text(label, { number: i + 1 }));
    made.setAttribute("aria-pressed", String(isPressed(state)));
    made.dataset.key = `${kind} ${i}`;
    made.addEventListener("click", () => pressed(state));
    return made;
  });
  drawLast(kind, { states }, (pictures) => {
    pictures.forEach((picture, i) => {
      const canvas = buttons[i].querySelector("canvas");
      canvas.getContext("2d").drawImage(canvasOf(picture, entry.about.resolution, 96), 0, 0);
      canvas.dataset.drawn = "1";
    });
  });
  return make("div", { className: "faces" }, ...buttons);
}

let different = 0.4;
let nearSeed = 1;

function neighboursOf(whole) {
  return Array.from({ length: OFFERED }, (_, i) => {
    const next = copied(whole);
    next.steps.push([nearSeed, i, different]);
    return next;
  });
}

let nearRow = null;

function drawNear() {
  nearRow.replaceChildren(faceButtons("near", neighboursOf(face), "neighbour", (state) => {
    nearSeed += 1;
    change(state);
  }));
}

function nearPart() {
  nearRow = make("div");
  drawNear();
  const amount = slider(text("howDifferent"), different, { min: 0.1, max: 0.9 }, (value) => {
    different = value;
    drawNear();
  });
  const others = button("others", () => {
    nearSeed += 1;
    drawNear();
  });
  const heading = make("h3", {}, text("near"));
  return [heading, hint("nearHint"), nearRow, make("div", { className: "controls" }, amount), others];
}

let mixSeeds = [7, 12, 19, 25, 31, 40];

function mixPanel() {
  if (!entry.about.has_styles) {
    return [hint("noStyles")];
  }
  const groups = Object.entries(entry.about.layer_groups);
  const of = face.mix?.face;
  const states = [...tray.filter(({ face: kept }) => kept.generator === entry.name).slice(0, OFFERED)
    .map(({ face: kept }) => ({ ...copied(kept), mix: null })), ...mixSeeds.map((seed) => newFace(entry.name, seed))];
  const [first, end] = face.mix ? [face.mix.first, face.mix.end] : groups.at(-1)[1];
  const row = faceButtons("mix", states, "mixFace", (state) => {
    change({ ...copied(face), mix: { first, end, face: state } });
  }, (state) => JSON.stringify(state) === JSON.stringify(of));
  const boxes = groups.map(([name, [from, to]]) => {
    const box = make("input", { type: "checkbox", checked: first <= from && to <= end, disabled: !face.mix });
    box.addEventListener("change", () => {
      const on = groups.filter((_, i) => boxes[i].querySelector("input").checked).map(([, range]) => range);
      const next = copied(face);
      // layers in one piece: from the first group that is chosen to the last
      next.mix = on.length ? { ...next.mix, first: on[0][0], end: on.at(-1)[1] } : null;
      change(next);
    });
    return make("label", { className: "hint" }, box, ` ${text(name)} `);
  });
  const others = button("others", () => {
    mixSeeds = mixSeeds.map(randomSeed);
    showPanel();
  });
  const none = button("noMix", () => change({ ...copied(face), mix: null }), { disabled: !face.mix });
  return [hint("mixHint"), row, make("div", {}, ...boxes), make("div", { className: "buttons" }, others, none)];
}

// -- a walk

let walking = null; // {begun, way}

function wayOfWalk() {
  const kept = tray.filter(({ face: one }) => one.generator === entry.name).map(({ face: one }) => one);
  const stops = kept.length > 1 ? kept : [...kept, newFace(entry.name, 12), newFace(entry.name, 25)];
  return [face, ...stops.filter((stop) => JSON.stringify(stop) !== JSON.stringify(face))];
}

function stopWalk() {
  walking = null;
}

function walkPanel() {
  const way = wayOfWalk();
  const show = (position, then) => {
    const leg = Math.floor(position) % way.length;
    const between = [way[leg], way[(leg + 1) % way.length], position % 1];
    drawLast("face", { between }, ([picture]) => {
      paint(picture);
      then?.();
    });
  };
  const bar = slider(text("position"), 0, { min: 0, max: way.length - 0.01 }, (position) => {
    stopWalk();
    show(position);
  });
  const input = bar.querySelector("input");
  const play = button(walking ? "pause" : "play", () => {
    if (walking) {
      stopWalk();
      play.textContent = text("play");
      return;
    }
    play.textContent = text("pause");
    const mine = { begun: performance.now() - 1000 * SECONDS * Number(input.value) };
    walking = mine;
    const frame = () => {
      if (walking !== mine) {
        play.textContent = text("play");
        return;
      }
      const position = ((performance.now() - mine.begun) / 1000 / SECONDS) % way.length;
      input.value = position;
      show(position, () => requestAnimationFrame(frame));
    };
    frame();
  }, { className: "first" });
  return [hint("walkHint"), play, bar];
}

// -- the tray

let tray = [];

function readStore(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function writeStore(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

// What was kept before, if this page can read it.
function readTray() {
  const found = readStore(TRAY, []);
  for (const kept of Array.isArray(found) ? found : []) {
    try {
      const { face: one } = fromAddress(kept.address, entries);
      if (/^data:image\/png;base64,[\w+/=]*$/.test(kept.image)) {
        tray.push({ face: one, image: kept.image });
      }
    } catch {
      // of a generator that is not here any more
    }
  }
}

function writeTray() {
  const found = tray.map(({ face: one, image }) => ({ address: toAddress(one, entryOf(one)), image }));
  if (!writeStore(TRAY, found)) {
    complain({ text: "cannotKeep", values: {} });
  }
}

function entryOf(one) {
  return entries.find(({ name }) => name === one.generator);
}

function keep() {
  if (!shown) {
    return;
  }
  const image = canvasOf(shown, entry.about.resolution, 96).toDataURL("image/png");
  tray = [...tray, { face: copied(face), image }].slice(-MOST_KEPT);
  showTray();
  writeTray();
}

function showTray() {
  $("empty").hidden = tray.length > 0;
  $("tray").replaceChildren(...tray.map((kept, i) => {
    const picture = make("img", { src: kept.image, alt: "" });
    const show = make("button", { type: "button", className: "shown" }, picture);
    show.setAttribute("aria-label", text("keptFace", { number: i + 1 }));
    show.addEventListener("click", () => showKept(kept));
    const earlier = make("button", { type: "button", disabled: i === 0 }, "◀");
    earlier.setAttribute("aria-label", text("earlier", { number: i + 1 }));
    earlier.addEventListener("click", () => {
      tray.splice(i - 1, 2, tray[i], tray[i - 1]);
      trayChanged();
    });
    const remove = make("button", { type: "button" }, "✕");
    remove.setAttribute("aria-label", text("remove", { number: i + 1 }));
    remove.addEventListener("click", () => {
      tray.splice(i, 1);
      trayChanged();
    });
    return make("li", {}, show, make("div", { className: "small" }, earlier, remove));
  }));
}

function trayChanged() {
  showTray();
  writeTray();
  if (tab === "mix" || tab === "walk") {
    showPanel();
  }
}

async function showKept(kept) {
  if (kept.face.generator !== entry.name) {
    await useGenerator(kept.face.generator);
  }
  change(copied(kept.face));
}

// -- saving and opening

async function save(what) {
  const name = `${entry.name}-${face.seed}`;
  const { values, shape } = await ask("latents", { state: face });
  const latents = latentFile(values, shape, entry.about, toSettings(face));
  if (what === "latents") {
    return finish(latents, `${name}.safetensors`, "application/octet-stream");
  }
  if (what === "sheet") {
    const others = entry.about.has_styles && !face.base
      ? (await ask("draw", { states: neighboursOf(face) })).pictures : [];
    const address = `${location.origin}${location.pathname}#${toAddress(face, entry)}`;
    const sheet = sheetOf(shown, others, entry.about.resolution, [...inWords(), address]);
    return finish(withLatents(await pngOf(sheet), latents), `${name}-sheet.png`, "image/png");
  }
  const canvas = canvasOf(shown, entry.about.resolution, Number(what));
  return finish(withLatents(await pngOf(canvas), latents), `${name}-${what}.png`, "image/png");
}

function finish(bytes, name, type) {
  download(bytes, name, type);
  say("saved", { name });
  $("save").open = false;
}

// The settings of the face, a line each.
function inWords() {
  const lines = [`${entry.name}, seed ${face.seed}, psi ${face.psi}`];
  for (const [attribute, shares] of Object.entries(face.labels)) {
    const parts = Object.entries(shares).map(([name, share]) => `${Math.round(100 * share)}% ${name}`);
    lines.push(`${attribute}: ${parts.join(", ")}`);
  }
  for (const [part, { name, amount }] of Object.entries(face.named)) {
    lines.push(`${part}: ${name} (${amount})`);
  }
  const changes = Object.entries(face.changes).map(([name, strength]) => `${name} ${strength}`);
  return changes.length ? [...lines, changes.join(", ")] : lines;
}

async function open(file) {
  $("save").open = false;
  try {
    change(await readFace(file, entry));
    say("opened");
  } catch (error) {
    complain(error);
  }
}

async function share() {
  writeAddress();
  try {
    await navigator.clipboard.writeText(location.href);
    say("copied");
  } catch {
    say("copyByHand");
  }
}

// -- generators

async function useGenerator(name) {
  entry = entries.find((one) => one.name === name);
  $("generator").value = name;
  $("progress").hidden = false;
  await ask("load", { entry });
  $("progress").hidden = true;
}

async function chooseGenerator(name) {
  const next = { ...newFace(name, face.seed), psi: face.psi };
  try {
    await useGenerator(name);
    change(next);
  } catch (error) {
    complain(error);
  }
}

// -- language and theme

function showTexts() {
  document.title = text("title");
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  showTabs();
  showTray();
  if (face) {
    showPanel();
  }
}

function chooseLanguage(name) {
  $("language").value = useLanguage(name);
  showTexts();
}

function chooseTheme(name) {
  document.documentElement.dataset.theme = name;
}

function setUpChoices() {
  const chosen = readStore(CHOICES, {});
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  chooseTheme(["dark", "light"].includes(chosen.theme) ? chosen.theme : dark ? "dark" : "light");
  $("language").append(...Object.entries(NAMES).map(([value, name]) => make("option", { value }, name)));
  chooseLanguage(chosen.language ?? navigator.language.slice(0, 2));
  $("language").addEventListener("change", () => {
    chooseLanguage($("language").value);
    writeStore(CHOICES, { ...readStore(CHOICES, {}), language: $("language").value });
  });
  $("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    chooseTheme(theme);
    writeStore(CHOICES, { ...readStore(CHOICES, {}), theme });
  });
}

// -- the beginning

// {face, trouble}: of the address, or of a new face where there is none, or a bad one.
function firstFace() {
  const address = location.hash.slice(1);
  if (!address) {
    return { face: newFace(entries[0].name, 3), trouble: null };
  }
  try {
    const found = fromAddress(address, entries);
    return { face: found.face, trouble: found.sameWeights ? null : "otherWeights" };
  } catch (error) {
    return { face: newFace(entries[0].name, 3), trouble: error.message };
  }
}

function listen() {
  $("surprise").addEventListener("click", surprise);
  $("undo").addEventListener("click", () => change(history.undo(), { keepHistory: true }));
  $("redo").addEventListener("click", () => change(history.redo(), { keepHistory: true }));
  $("keep").addEventListener("click", keep);
  $("share").addEventListener("click", share);
  $("generator").addEventListener("change", () => chooseGenerator($("generator").value));
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) {
      open(file);
    }
    $("file").value = "";
  });
  for (const made of document.querySelectorAll("[data-save]")) {
    made.addEventListener("click", () => save(made.dataset.save).catch(complain));
  }
  window.addEventListener("hashchange", async () => {
    if (location.hash.slice(1) === written) {
      return;
    }
    const { face: next, trouble } = firstFace();
    if (next.generator !== entry.name) {
      await useGenerator(next.generator).catch(complain);
    }
    change(next);
    if (trouble) {
      complain({ text: trouble, values: {} });
    }
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.target.matches("input[type=text]")) {
      event.preventDefault();
      $(event.shiftKey ? "redo" : "undo").click();
    } else if (event.key === "Escape") {
      $("save").open = false;
    }
  });
}

async function begin() {
  setUpChoices();
  listen();
  const answer = await fetch("generators.json");
  if (!answer.ok) {
    throw Object.assign(new Error("notThere"), { text: "notThere", values: { status: answer.status } });
  }
  entries = (await answer.json()).map((one) => ({
    ...one,
    sliders: [...(one.about.directions?.names ?? []), ...Object.keys(LOOKS)],
  }));
  $("generator").append(...entries.map(({ name }) => make("option", { value: name }, name)));
  const { face: first, trouble } = firstFace();
  face = first;
  history = new History(face);
  readTray();
  showTray();
  await useGenerator(face.generator);
  change(face, { keepHistory: true });
  if (trouble) {
    await new Promise((done) => setTimeout(done, 300));
    complain({ text: trouble, values: {} });
  }
}

begin().catch((error) => {
  complain(typeof error.text === "string" ? error : { text: "noConnection", values: {} });
});
