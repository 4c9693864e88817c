// Small things that the page is built of: labelled controls, buttons, the choice of a colour.

import { STAY } from "./generator.js";
import { text, word } from "./texts.js";

export function $(id) {
  return document.getElementById(id);
}

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// -- what is said below the face

export function say(name, values = {}) {
  $("says").textContent = name && text(name, values);
  $("says").classList.remove("trouble");
}

// error: Trouble, or one that nobody expected.
export function complain(error) {
  const [name, values] = error.text ? [error.text, error.values] : ["unexpected", { why: error.message }];
  $("says").textContent = text(name, values);
  $("says").classList.add("trouble");
}

// Put other children into an element. What had the keyboard keeps it: it is found again by its key.
export function refill(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  parent.replaceChildren(...children);
  if (key) {
    parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
  }
}

// -- controls

let count = 0;

// A control with its words above it. Its key tells it from others when the panel is made anew.
function control(label, input, output = null) {
  count += 1;
  input.id = `control-${count}`;
  input.dataset.key = label;
  const words = make("label", { htmlFor: input.id }, label);
  if (output) {
    words.append(output);
  }
  return make("div", { className: "control" }, words, input);
}

export function slider(label, value, { min, max, step = 0.01 }, moved) {
  const input = make("input", { type: "range", min, max, step, value });
  const shown = make("output", {}, Number(value).toFixed(2));
  input.addEventListener("input", () => {
    shown.textContent = Number(input.value).toFixed(2);
    moved(Number(input.value));
  });
  return control(label, input, shown);
}

// A field for a text, which counts when it is left or Enter is pressed.
export function field(label, value, entered) {
  const input = make("input", { type: "text", value, maxLength: 32, autocomplete: "off", spellcheck: false });
  input.setAttribute("autocapitalize", "none"); // Ann and ann are two seeds
  input.addEventListener("change", () => entered(input.value));
  return control(label, input);
}

// options: [[value, shown], ...]
export function menu(label, value, options, chosen) {
  const select = make("select");
  for (const [name, shown] of options) {
    select.append(make("option", { value: name }, shown));
  }
  select.value = value;
  select.addEventListener("change", () => chosen(select.value));
  return control(label, select);
}

export function button(name, pressed, properties = {}) {
  const made = make("button", { type: "button", ...properties }, text(name));
  made.dataset.key = name;
  made.addEventListener("click", pressed);
  return made;
}

// A button without words, which says to a screen reader what it does.
export function iconButton(icon, spoken, pressed, properties = {}) {
  const made = make("button", { type: "button", ...properties }, icon);
  made.dataset.key = spoken;
  made.setAttribute("aria-label", spoken);
  made.addEventListener("click", pressed);
  return made;
}

export function checkbox(name, checked, changed, properties = {}) {
  const input = make("input", { type: "checkbox", checked, ...properties });
  input.dataset.key = name;
  input.addEventListener("change", () => changed(input.checked));
  return make("label", { className: "check" }, input, ` ${text(name)}`);
}

export function hint(name) {
  return make("p", { className: "hint" }, text(name));
}

export function grid(...controls) {
  return make("div", { className: "controls" }, ...controls);
}

// -- colours

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
export function colourChoice(label, value, classes, chosen) {
  if (!classes.every((name) => Object.hasOwn(SWATCHES, name))) {
    const options = classes.map((name) => [name, word(name)]);
    return menu(label, value, [[STAY, text("asItIs")], ...options], chosen);
  }
  count += 1;
  const group = `choice-${count}`;
  const swatches = [STAY, ...classes].map((name) => {
    const shown = name === STAY ? text("asItIs") : word(name);
    const input = make("input", { type: "radio", name: group, value: name, checked: name === value });
    input.setAttribute("aria-label", shown);
    input.dataset.key = `${label} ${name}`;
    input.addEventListener("change", () => chosen(name));
    const dot = make("span", { className: name === STAY ? "dot none" : "dot" });
    dot.style.setProperty("--colour", SWATCHES[name] ?? "transparent");
    return make("label", { className: "swatch", title: shown }, input, dot);
  });
  const words = value === STAY ? label : `${label}: ${word(value)}`;
  return make("fieldset", { className: "swatches" }, make("legend", {}, words), ...swatches);
}
