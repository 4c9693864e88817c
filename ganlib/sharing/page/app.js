// The page: it brings the parts together.

import { ask, canvasOf, drawOne, whenDrawing } from "./drawing.js";
import { $, complain, make, say } from "./elements.js";
import { download, latentFile, pngOf, readFace, sheetOf, toSettings, withLatents } from "./files.js";
import { listenToTabs, neighboursOf, showPanel, showTabs, trayChanged } from "./panels.js";
import { fromAddress, newFace, toAddress } from "./state.js";
import {
  begin, change, inWords, redo, show, showOf, studio, surprise, undo, useGenerator, writeAddress,
} from "./studio.js";
import { NAMES, text, useLanguage } from "./texts.js";
import { keep, listenToTray, readStore, readTray, showTray, writeStore } from "./tray.js";
import { Trouble } from "./trouble.js";

const CHOICES = "ganlib choices"; // language and theme, in the browser's storage
const FIRST_SEED = 3;
const LONGEST_LINE = 400; // letters of an address that a sheet shows

// -- the kept faces

function chooseKept(face) {
  showOf(face, change);
}

function trayIsOther() {
  showTray(chooseKept, trayIsOther);
  trayChanged();
}

// -- saving, opening, sharing

async function save(what) {
  const { entry, face } = studio;
  const name = `${entry.name}-${face.seed}`.replaceAll(/[^\w.-]+/g, "_");
  const { values, shape } = await ask("latents", { state: face });
  const latents = latentFile(values, shape, entry.about, toSettings(face, entry));
  if (what === "latents") {
    return finish(latents, `${name}.safetensors`, "application/octet-stream");
  }
  const canvas = what === "sheet" ? await sheet() : canvasOf(await drawOne(face, Number(what)));
  return finish(withLatents(await pngOf(canvas), latents), `${name}-${what}.png`, "image/png");
}

// A canvas with the face, six like it, and its settings in words.
async function sheet() {
  const { entry, face } = studio;
  const canBeMore = entry.about.has_styles && !face.base;
  const states = canBeMore ? neighboursOf(face) : [];
  const others = canBeMore ? (await ask("draw", { states, size: 108 })).pictures : [];
  const address = `${location.origin}${location.pathname}#${toAddress(face, entry)}`;
  const lines = [entry.name, ...inWords(face), ...(address.length < LONGEST_LINE ? [address] : [])];
  return sheetOf(await drawOne(face, 384), others, lines);
}

function finish(bytes, name, type) {
  download(bytes, name, type);
  closeMenu();
  say("saved", { name });
}

function closeMenu() {
  if ($("save").open) {
    $("save").open = false;
    $("save").querySelector("summary").focus();
  }
}

async function open(file) {
  closeMenu();
  try {
    showOf(await readFace(file, studio.entries), (face) => {
      change(face);
      say("opened");
    });
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
  showTray(chooseKept, trayIsOther);
  if (studio.entry) {
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
    return { face, trouble: sameWeights ? null : new Trouble("otherWeights") };
  } catch (error) {
    return { face: otherwise, trouble: error };
  }
}

async function addressChanged() {
  if (location.hash.slice(1) !== studio.address) {
    const { face, trouble } = faceOfAddress();
    await showOf(face, change);
    if (trouble) {
      complain(trouble);
    }
  }
}

// -- the beginning

// What is said to be disabled does nothing.
function whenPressed(id, work) {
  $(id).addEventListener("click", () => {
    if ($(id).getAttribute("aria-disabled") !== "true") {
      work();
    }
  });
}

function listen() {
  whenPressed("surprise", surprise);
  whenPressed("undo", undo);
  whenPressed("redo", redo);
  whenPressed("keep", () => keep(trayIsOther).catch(complain));
  whenPressed("share", share);
  $("generator").addEventListener("change", () => {
    const { seed, psi, hold } = studio.face;
    showOf({ ...newFace($("generator").value, seed), psi, hold }, change);
  });
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
  window.addEventListener("pagehide", writeAddress);
  document.addEventListener("keydown", keyPressed);
  listenToTabs();
  listenToTray(trayIsOther);
}

function keyPressed(event) {
  const key = event.key.toLowerCase();
  if (event.key === "Escape") {
    closeMenu();
  } else if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(key) && studio.entry) {
    if (!event.target.matches("input[type=text]")) {
      event.preventDefault();
      $(key === "y" || event.shiftKey ? "redo" : "undo").click();
    }
  }
}

async function fetchEntries() {
  let answer;
  try {
    answer = await fetch("generators.json");
  } catch {
    throw new Trouble("noConnection");
  }
  if (!answer.ok) {
    throw new Trouble("notThere", { status: answer.status });
  }
  return answer.json();
}

async function start() {
  let told = false;
  whenDrawing({
    progress: (arrived) => {
      $("progress").value = arrived;
      if (!told) {
        told = true; // once: a screen reader would read every percent
        say("loading");
      }
    },
    trouble: complain,
  });
  setUpChoices();
  studio.entries = await fetchEntries();
  $("generator").append(...studio.entries.map(({ name }) => make("option", { value: name }, name)));
  const { face, trouble } = faceOfAddress();
  begin(face);
  readTray();
  await useGenerator(face.generator);
  listen();
  showTray(chooseKept, trayIsOther);
  for (const part of document.querySelectorAll("[inert]")) {
    part.inert = false;
  }
  studio.showPanel = showPanel;
  studio.firstFace = (milliseconds) => {
    performance.mark("first face");
    document.documentElement.dataset.ready = "true";
    say("ready", { milliseconds: Math.round(milliseconds) });
    if (trouble) {
      complain(trouble);
    }
  };
  show(face);
}

start().catch(complain);
