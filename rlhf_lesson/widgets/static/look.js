// What every widget is made of: elements, controls that have a name and a value, one redraw per frame, numbers as
// text. Pictures are in look_plot.js. look.py puts WORDS and these two files in front of each widget's own file.

const SVG_TAGS = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "tspan", "clipPath", "defs"]);
let lastId = 0;
const newId = () => `rl-${(lastId += 1)}-${Math.random().toString(36).slice(2, 8)}`; // two widgets may share a page

// An element: attributes as an object ("on" holds listeners; false and null leave an attribute out), then children.
function node(tag, attributes = {}, ...children) {
  const isSvg = SVG_TAGS.has(tag);
  const element = isSvg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== false && value != null) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

// Makes `el` a widget: a named group with the look. JupyterLab keeps arrow keys from whatever has focus unless that
// very element carries this attribute, so every control below has it; give it to anything else that takes focus.
const KEYS = { "data-lm-suppress-shortcuts": "true" };
function begin(el, title) {
  el.classList.add("rl");
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", title);
  el.replaceChildren(node("h3", {}, title));
}

// Calls `draw` now and, at most once a frame, after a change of any of these traits. Returns the function that ends it.
function redrawOn(model, names, draw) {
  let waiting = 0;
  const ask = () => {
    waiting ||= requestAnimationFrame(() => {
      waiting = 0;
      draw();
    });
  };
  for (const name of names) model.on(`change:${name}`, ask);
  draw();
  return () => {
    cancelAnimationFrame(waiting);
    for (const name of names) model.off(`change:${name}`, ask);
  };
}

function put(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

// What stands in for the kernel's model where there is no kernel: the same get, set, on, off, save_changes.
function plainModel(state) {
  const values = { ...state };
  const listeners = {};
  return {
    get: (name) => values[name],
    set(name, value) {
      if (values[name] === value) return;
      values[name] = value;
      for (const listener of [...(listeners[`change:${name}`] ?? [])]) listener();
    },
    on: (event, listener) => (listeners[event] ??= new Set()).add(listener),
    off: (event, listener) => listeners[event]?.delete(listener),
    save_changes() {},
    send() {},
  };
}

// ---- Controls. Each is bound to one trait, in both directions, and returns its element. ----

// A slider. log: equal steps multiply (then `step` is in decades). format: the value in words, also for screen readers.
function slider(model, name, { label, min, max, step, log = false, format = (value) => String(value) }) {
  const [to, from] = log ? [Math.log10, (place) => 10 ** place] : [(value) => value, (place) => place];
  const id = newId();
  const input = node("input", { type: "range", id, name, min: to(min), max: to(max), step, ...KEYS });
  const output = node("output", { for: id });
  const show = () => {
    const value = model.get(name);
    if (Math.abs(Number(input.value) - to(value)) > step / 2) input.value = to(value);
    output.textContent = format(value);
    input.setAttribute("aria-valuetext", format(value));
  };
  input.value = to(model.get(name));
  input.addEventListener("input", () => put(model, name, Number(from(Number(input.value)).toPrecision(12))));
  model.on(`change:${name}`, show);
  show();
  return node("div", { class: "rl-control" }, node("label", { for: id }, label), input, output);
}

// One of a few: radio buttons under a common name. options: [[value, text], ...].
function choice(model, name, { label, options }) {
  const group = newId();
  const inputs = options.map(([value]) =>
    node("input", { type: "radio", name: group, value, ...KEYS, on: { change: () => put(model, name, value) } })
  );
  const show = () =>
    options.forEach(([value], i) => {
      inputs[i].checked = value === model.get(name);
    });
  model.on(`change:${name}`, show);
  show();
  const labels = options.map(([, text], i) => node("label", {}, inputs[i], text));
  return node("fieldset", { "data-name": name }, node("legend", {}, label), labels);
}

// One of many: a drop-down list. options: [[value, text], ...].
function select(model, name, { label, options }) {
  const id = newId();
  const list = node("select", { id, name, ...KEYS });
  list.append(...options.map(([, text], i) => node("option", { value: i }, text)));
  const show = () => {
    list.selectedIndex = options.findIndex(([value]) => value === model.get(name));
  };
  list.addEventListener("change", () => put(model, name, options[list.selectedIndex][0]));
  model.on(`change:${name}`, show);
  show();
  return node("span", { class: "rl-select" }, node("label", { for: id }, `${label} `), list);
}

function toggle(model, name, { label }) {
  const box = node("input", { type: "checkbox", name, ...KEYS, on: { change: () => put(model, name, box.checked) } });
  const show = () => {
    box.checked = model.get(name);
  };
  model.on(`change:${name}`, show);
  show();
  return node("label", {}, box, label);
}

const button = (text, click, attributes = {}) =>
  node("button", { type: "button", ...KEYS, ...attributes, on: { click } }, text);

// A sentence that a screen reader reads out when it changes: what the picture shows now, in words and numbers.
const says = () => node("p", { class: "rl-says", role: "status" });

// A table of text: `head` a list, `rows` lists of cells; a cell is text or an element.
function table(head, rows) {
  const cells = (row) => row.map((cell, i) => node(i ? "td" : "th", i ? {} : { scope: "row" }, cell));
  const top = node("thead", {}, node("tr", {}, head.map((cell) => node("th", { scope: "col" }, cell))));
  return node("table", {}, top, node("tbody", {}, rows.map((row) => node("tr", {}, cells(row)))));
}

// ---- Numbers. ----
// Bytes as they come from Python: a DataView from the kernel, {base64} in a page.
function bytesOf(value) {
  if (value.base64 === undefined) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0));
}
// The same bytes as float32 numbers; a copy, since a Float32Array must start at a multiple of four bytes.
const floats = (value) => new Float32Array(bytesOf(value).slice().buffer);
// log softmax of any numbers, -Infinity included; never overflows.
function logSoftmax(logits) {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const logSum = most + Math.log(logits.reduce((sum, z) => sum + Math.exp(z - most), 0));
  return Array.from(logits, (z) => z - logSum);
}
const sum = (values) => values.reduce((a, b) => a + b, 0);

// ---- Numbers as text. A true minus sign, so that columns stand still. ----
const fixed = (digits) => (value) => {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "–";
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "−" : "") + text;
};
const signed = (digits) => (value) =>
  (value > 0 && Number(value.toFixed(digits)) > 0 ? "+" : "") + fixed(digits)(value);
const percent = (value, digits = 1) => `${fixed(digits)(100 * value)} %`;
