// The kept faces: they stay in the browser, where it lets the page keep anything.

import { canvasOf } from "./drawing.js";
import { $, complain, iconButton, make } from "./elements.js";
import { copied, fromAddress, toAddress } from "./state.js";
import { entryOf, studio } from "./studio.js";
import { text } from "./texts.js";

const TRAY = "ganlib tray";
const MOST = 60;
const SMALL = 96; // pixels of a kept picture

// -- the browser's storage

export function readStore(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

// Whether it could be written.
export function writeStore(name, value) {
  try {
    localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

// -- the faces

// What was kept before, as far as this page can read it.
export function readTray() {
  const found = readStore(TRAY, []);
  for (const kept of Array.isArray(found) ? found : []) {
    try {
      const { face } = fromAddress(kept.address, studio.entries);
      if (/^data:image\/png;base64,[\w+/=]*$/.test(kept.image)) {
        studio.tray.push({ face, image: kept.image });
      }
    } catch {
      // of a generator that is not here any more
    }
  }
}

function writeTray() {
  const found = studio.tray.map(({ face, image }) => ({ address: toAddress(face, entryOf(face)), image }));
  if (!writeStore(TRAY, found)) {
    complain({ text: "cannotKeep", values: {} });
  }
}

export function keep(changed) {
  if (!studio.picture) {
    return;
  }
  const image = canvasOf(studio.picture, studio.entry.about.resolution, SMALL).toDataURL("image/png");
  studio.tray = [...studio.tray, { face: copied(studio.face), image }].slice(-MOST);
  changed();
  writeTray();
}

// chosen(face): a kept face was clicked. changed(): there are others now.
export function showTray(chosen, changed) {
  $("empty").hidden = studio.tray.length > 0;
  $("tray").replaceChildren(...studio.tray.map((kept, i) => {
    const values = { number: i + 1 };
    const picture = make("img", { src: kept.image, alt: "" });
    const shown = iconButton(picture, text("keptFace", values), () => chosen(kept.face), { className: "shown" });
    const earlier = iconButton("◀", text("earlier", values), () => {
      studio.tray.splice(i - 1, 2, studio.tray[i], studio.tray[i - 1]);
      changed();
      writeTray();
    }, { disabled: i === 0 });
    const remove = iconButton("✕", text("remove", values), () => {
      studio.tray.splice(i, 1);
      changed();
      writeTray();
    });
    return make("li", {}, shown, make("div", { className: "small" }, earlier, remove));
  }));
}
