// The page: it brings the parts together.

import { ask, canvasOf, whenDrawing } from "./drawing.js";
import { $, complain, make, say } from "./elements.js";
import { download, latentFile, pngOf, readFace, sheetOf, toSettings, withLatents } from "./files.js";
import { LOOKS } from "./generator.js";
import { listenToTabs, neighboursOf, showPanel, showTabs, trayChanged } from "./panels.js";
import { copied, fromAddress, newFace, toAddress } from "./state.js";
import { begin, change, redo, show, studio, surprise, undo, writeAddress } from "./studio.js";
import { NAMES, text, useLanguage } from "./texts.js";
import { keep, readStore, readTray, showTray, writeStore } from "./tray.js";

const CHOICES = "ganlib choices"; // language and theme, in the browser's storage
const FIRST_SEED = 3;

// -- generators

async function useGenerator(name) {
  studio.entry = studio.entries.find((one) => one.name === name);
  $("generator").value = name;
  $("progress").hidden = false;
  await ask("load", { entry: studio.entry });
  $("progress").hidden = true;
}

async function chooseGenerator(name) {
  const { seed, psi } = studio.face;
  try {
    await useGenerator(name);
    change({ ...newFace(name, seed), psi });
  } catch (error) {
    complain(error);
  }
}

// A face that may be of another generator.
async function showFace(face) {
  try {
    if (face.generator !== studio.entry.name) {
      await useGenerator(face.generator);
    }
    change(copied(face));
  } catch (error) {
    complain(error);
  }
}

// -- the kept faces

function trayIsOther() {
  showTray(showFace, trayIsOther);
  trayChanged();
}

// -- saving, opening, sharing

async function save(what) {
  const { entry, face, picture } = studio;
  const side = entry.about.resolution;
  const name = `${entry.name}-${face.seed}`.replaceAll(/[^\w.-]+/g, "_");
  const { values, shape } = await ask("latents", { state: face });
  const latents = latentFile(values, shape, entry.about, toSettings(face));
  if (what === "latents") {
    return finish(latents, `${name}.safetensors`, "application/octet-stream");
  }
  if (what === "sheet") {
    const canBeMore = entry.about.has_styles && !face.base;
    const others = canBeMore ? (await ask("draw", { states: neighboursOf(face) })).pictures : [];
    const sheet = sheetOf(picture, others, side, [...inWords(face), addressOf(face)]);
    return finish(withLatents(await pngOf(sheet), latents), `${name}-sheet.png`, "image/png");
  }
  const png = await pngOf(canvasOf(picture, side, Number(what)));
  return finish(withLatents(png, latents), `${name}-${what}.png`, "image/png");
}

function finish(bytes, name, type) {
  download(bytes, name, type);
  say("saved", { name });
  $("save").open = false;
}

function addressOf(face) {
  return `${location.origin}${location.pathname}#${toAddress(face, studio.entry)}`;
}

// The settings of a face, a line each.
function inWords(face) {
  const lines = [`${face.generator}, seed ${face.seed}, psi ${face.psi}`];
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
    change(await readFace(file, studio.entry));
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

// -- language and theme

function showTexts() {
  document.title = text("title");
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-spoken]")) {
    element.setAttribute("aria-label", text(element.dataset.spoken));
    element.title = text(element.dataset.spoken);
  }
  showTabs();
  showTray(showFace, trayIsOther);
  if (studio.face) {
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

function remember(choice) {
  writeStore(CHOICES, { ...readStore(CHOICES, {}), ...choice });
}

function setUpChoices() {
  const chosen = readStore(CHOICES, {});
  const usual = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  chooseTheme(["dark", "light"].includes(chosen.theme) ? chosen.theme : usual);
  $("language").append(...Object.entries(NAMES).map(([value, name]) => make("option", { value }, name)));
  chooseLanguage(chosen.language ?? navigator.language.slice(0, 2));
  $("language").addEventListener("change", () => {
    chooseLanguage($("language").value);
    remember({ language: $("language").value });
  });
  $("theme").addEventListener("click", () => {
    chooseTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    remember({ theme: document.documentElement.dataset.theme });
  });
}

// -- the address

// {face, trouble}: of the address, or of a new face where there is none, or a bad one.
function faceOfAddress() {
  const address = location.hash.slice(1);
  const otherwise = newFace(studio.entry?.name ?? studio.entries[0].name, FIRST_SEED);
  if (!address) {
    return { face: otherwise, trouble: null };
  }
  try {
    const { face, sameWeights } = fromAddress(address, studio.entries);
    return { face, trouble: sameWeights ? null : "otherWeights" };
  } catch (error) {
    return { face: otherwise, trouble: error.message };
  }
}

async function addressChanged() {
  if (location.hash.slice(1) === studio.address) {
    return;
  }
  const { face, trouble } = faceOfAddress();
  await showFace(face);
  if (trouble) {
    complain({ text: trouble, values: {} });
  }
}

// -- the beginning

function listen() {
  $("surprise").addEventListener("click", surprise);
  $("undo").addEventListener("click", undo);
  $("redo").addEventListener("click", redo);
  $("keep").addEventListener("click", () => keep(trayIsOther));
  $("share").addEventListener("click", share);
  $("generator").addEventListener("change", () => chooseGenerator($("generator").value));
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) {
      open(file);
    }
    $("file").value = ""; // so that the same file can be opened again
  });
  for (const made of document.querySelectorAll("[data-save]")) {
    made.addEventListener("click", () => save(made.dataset.save).catch(complain));
  }
  window.addEventListener("hashchange", addressChanged);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      $(event.shiftKey ? "redo" : "undo").click();
    } else if (event.key === "Escape") {
      $("save").open = false;
    }
  });
  listenToTabs();
}

async function fetchEntries() {
  const answer = await fetch("generators.json");
  if (!answer.ok) {
    throw Object.assign(new Error(), { text: "notThere", values: { status: answer.status } });
  }
  const entries = await answer.json();
  return entries.map((one) => ({
    ...one,
    sliders: [...(one.about.directions?.names ?? []), ...Object.keys(LOOKS)],
  }));
}

async function start() {
  whenDrawing({
    progress: (arrived) => {
      $("progress").value = arrived;
      say("loading", { percent: Math.round(100 * arrived) });
    },
    trouble: complain,
  });
  setUpChoices();
  listen();
  studio.entries = await fetchEntries();
  $("generator").append(...studio.entries.map(({ name }) => make("option", { value: name }, name)));
  const { face, trouble } = faceOfAddress();
  begin(face);
  readTray();
  showTray(showFace, trayIsOther);
  await useGenerator(face.generator);
  studio.showPanel = showPanel;
  studio.firstFace = (milliseconds) => {
    performance.mark("first face");
    document.documentElement.dataset.ready = "true";
    say("ready", { milliseconds: Math.round(milliseconds) });
    if (trouble) {
      complain({ text: trouble, values: {} });
    }
  };
  show(face);
}

start().catch((error) => {
  complain(error.text ? error : { text: "noConnection", values: {} });
});
