// The kept faces: they stay in the browser, where it lets the page keep anything.

import { canvasOf, drawOne } from "./drawing.js";
import { $, complain, iconButton, make, refill } from "./elements.js";
import { copied, fromAddress, toAddress } from "./state.js";
import { entryOf, studio } from "./studio.js";
import { text } from "./texts.js";
import { Trouble } from "./trouble.js";

const TRAY = `ganlib tray ${location.pathname}`; // several pages may lie on one host
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

let unread = []; // entries of generators that are not here: they are kept as they are

// What was kept before, as far as this page can read it.
export function readTray() {
  const found = readStore(TRAY, []);
  unread = [];
  studio.tray = [];
  for (const kept of Array.isArray(found) ? found : []) {
    try {
      const { face } = fromAddress(kept.address, studio.entries);
      if (/^data:image\/png;base64,[\w+/=]*$/.test(kept.image)) {
        studio.tray.push({ face, image: kept.image });
      }
    } catch (error) {
      if (error.text === "addressOtherGenerator") {
        unread.push(kept);
      }
    }
  }
}

function writeTray() {
  const found = studio.tray.map(({ face, image }) => ({
    address: toAddress(face, entryOf(face.generator)),
    image,
  }));
  if (!writeStore(TRAY, [...unread, ...found])) {
    complain(new Trouble("cannotKeep"));
  }
}

// Another tab of this page has kept something.
export function listenToTray(changed) {
  window.addEventListener("storage", ({ key }) => {
    if (key === TRAY) {
      readTray();
      changed();
    }
  });
}

export async function keep(changed) {
  const face = copied(studio.face);
  const image = canvasOf(await drawOne(face, SMALL)).toDataURL("image/png");
  studio.tray = [...studio.tray, { face, image }].slice(-MOST);
  changed();
  writeTray();
}

// chosen(face): a kept face was clicked. changed(): there are others now.
export function showTray(chosen, changed) {
  $("empty").hidden = studio.tray.length > 0;
  refill($("tray"), ...studio.tray.map((kept, i) => {
    const values = { number: i + 1 };
    const picture = make("img", { src: kept.image, alt: "" });
    const show = () => chosen(copied(kept.face));
    const shown = iconButton(picture, text("keptFace", values), show, { className: "shown" });
    const earlier = iconButton("◀", text("earlier", values), () => {
      studio.tray.splice(i - 1, 2, studio.tray[i], studio.tray[i - 1]);
      changed();
      writeTray();
    }, { disabled: i === 0 });
    const remove = iconButton("✕", text("remove", values), () => {
      studio.tray.splice(i, 1);
      changed();
      writeTray();
      $("tray").querySelectorAll(".shown")[Math.min(i, studio.tray.length - 1)]?.focus();
    });
    return make("li", {}, shown, make("div", { className: "small" }, earlier, remove));
  }));
}
