// The one look of every widget: controls that have a name and a value, a plot in SVG, one redraw a frame.
// Leaves out every lesson's equation. `esm(name)` in look.py puts WORDS and this text in front of each widget's own file.

const SVG_TAGS = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "tspan", "clipPath", "defs"]);
let lastId = 0;
const newId = () => `rl-${(lastId += 1)}-${Math.random().toString(36).slice(2, 8)}`; // two widgets may share a page

// An element: attributes as an object ("on" holds listeners; false and null leave an attribute out), then children.
function node(tag, attributes = {}, ...children) {
  const made = SVG_TAGS.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

// Makes `el` a widget: a named group with the look. JupyterLab keeps arrow keys from whatever has focus unless that very
// element carries this attribute, so every control below has it; give it to anything else that takes focus.
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
  const values = { ...state }, listeners = {};
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
// float32 numbers as they come from Python: a DataView from the kernel, {base64} in a page.
function floats(value) {
  if (value?.base64 === undefined) {
    return new Float32Array(value.buffer.slice(value.byteOffset, value.byteOffset + value.byteLength));
  }
  return new Float32Array(Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0)).buffer);
}
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

// ---- Pictures. ----
const SCALES = {
  linear: [(value) => value, (place) => place],
  log: [Math.log10, (place) => 10 ** place],
  sqrt: [(value) => Math.sqrt(Math.max(value, 0)), (place) => place * place],
};
const MARKERS = {
  o: (x, y, r) => `M${x - r},${y}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0Z`,
  s: (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  "^": (x, y, r) => `M${x},${y - 1.2 * r}l${1.2 * r},${2.1 * r}h${-2.4 * r}Z`,
  D: (x, y, r) => `M${x},${y - 1.3 * r}l${1.3 * r},${1.3 * r}l${-1.3 * r},${1.3 * r}l${-1.3 * r},${-1.3 * r}Z`,
  x: (x, y, r) => `M${x - r},${y - r}l${2 * r},${2 * r}M${x - r},${y + r}l${2 * r},${-2 * r}`,
};
const colourOf = (role) => `var(--rl-${role})`;
// The colour as a canvas takes it. Ask again when the theme may have changed.
function canvasColour(el, role) {
  const probe = node("span", { style: `color: ${colourOf(role)}; display: none` });
  el.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
const stillness = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Round numbers between min and max, about `count` of them; powers of ten (and 2, 5 between) on a log scale.
function niceTicks(min, max, count, scale) {
  if (scale === "log") {
    const decades = [];
    for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e += 1) {
      for (const m of max / min > 300 ? [1] : [1, 2, 5]) decades.push(Number((m * 10 ** e).toPrecision(6)));
    }
    return decades.filter((value) => value >= min * (1 - 1e-9) && value <= max * (1 + 1e-9));
  }
  const rough = (max - min) / count, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * (1 - 1e-9));
  const first = Math.ceil(min / step - 1e-9), last = Math.floor(max / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// A plot: two axes and layers that are kept by name, so that a redraw changes attributes and creates nothing.
//   x, y: { min, max, label, scale: "linear" | "log" | "sqrt", ticks: [values], format, count }
// Layers: line, area, band, bars, dots, rule, text, handle; each first argument is the layer's name, unique in this plot.
// Options of a layer: role (colour, dash and marker of plots.ROLES) or colour ("ink", "second", ...), width, dash, opacity.
function plot({ width = 560, height = 300, left = 56, right = 14, top = 14, bottom = 46, x, y, label }) {
  const clip = newId(), layers = new Map(), axis = node("g", { class: "rl-axis", "aria-hidden": "true" });
  const inside = node("g", { "clip-path": `url(#${clip})` }), above = node("g");
  const box = node("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom });
  const svg = node(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, style: `max-width: ${width}px` },
    node("defs", {}, node("clipPath", { id: clip }, box)),
    axis,
    inside,
    above,
  );
  const figure = node("div", { class: "rl-plot", style: `max-width: ${width}px` }, svg);
  let ranges = {}, drawn = "";

  const place = (which, low, high) => (value) => {
    const { min, max, scale } = ranges[which], [to] = SCALES[scale];
    return low + ((to(value) - to(min)) / (to(max) - to(min))) * (high - low);
  };
  const X = place("x", left, width - right), Y = place("y", height - bottom, top);
  const invertY = (pixel) => {
    const { min, max, scale } = ranges.y, [to, from] = SCALES[scale];
    return from(to(min) + ((height - bottom - pixel) / (height - bottom - top)) * (to(max) - to(min)));
  };
  const round = (value) => Math.round(value * 100) / 100; // hundredths of a pixel: shorter text, same picture
  const at = ([px, py]) => `${round(X(px))},${round(Y(py))}`;
  const path = (points) => {
    let text = "", pen = "M";
    for (const point of points) {
      const shown = Number.isFinite(X(point[0])) && Number.isFinite(Y(point[1]));
      if (shown) text += pen + at(point);
      pen = shown ? "L" : "M"; // a value that is not finite leaves a gap
    }
    return text;
  };
  const layer = (name, tag, attributes, parent = inside) => {
    if (!layers.has(name)) {
      layers.set(name, node(tag, { "data-layer": name }));
      parent.append(layers.get(name));
    }
    const made = layers.get(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value == null) made.removeAttribute(key);
      else if (made.getAttribute(key) !== String(value)) made.setAttribute(key, value);
    }
    return made;
  };
  const ink = ({ role, colour = role ?? "ink", width: w = 2, dash = WORDS.roles[role]?.dash, opacity }) => ({
    stroke: colourOf(colour),
    "stroke-width": w,
    "stroke-dasharray": dash || null,
    fill: "none",
    opacity,
  });

  const self = {
    node: figure,
    svg,
    X,
    Y,
    // Sets one or both axes; what is not given stays.
    axes(given) {
      for (const which of ["x", "y"]) {
        ranges = {
          ...ranges,
          [which]: { scale: "linear", count: which === "x" ? 6 : 5, ...ranges[which], ...given[which] },
        };
      }
      const now = JSON.stringify(ranges, (_, value) => (typeof value === "function" ? String(value) : value));
      if (now === drawn) return;
      drawn = now;
      const parts = [];
      for (const [which, { min, max, scale, count, ticks, label: name, format }] of Object.entries(ranges)) {
        const values = (ticks ?? niceTicks(min, max, count, scale)).filter((v) => v >= min - 1e-12 && v <= max + 1e-12);
        const digits = Math.max(0, ...values.map((v) => (String(v).split(".")[1] ?? "").length));
        const write = format ?? (scale === "linear" ? fixed(Math.min(digits, 4)) : (v) => String(v));
        for (const value of values) {
          const p = round(which === "x" ? X(value) : Y(value));
          const [d, text] = which === "x"
            ? [`M${p},${top}V${height - bottom}`, { x: p, y: height - bottom + 16, "text-anchor": "middle" }]
            : [`M${left},${p}H${width - right}`, { x: left - 7, y: p + 4, "text-anchor": "end" }];
          parts.push(node("path", { class: "rl-grid", d }), node("text", text, write(value)));
        }
        const middle = which === "x" ? (left + width - right) / 2 : (top + height - bottom) / 2;
        const where = which === "x"
          ? { x: middle, y: height - 8 }
          : { transform: `translate(14 ${middle}) rotate(-90)` };
        parts.push(node("text", { class: "rl-axis-label", "text-anchor": "middle", ...where }, name ?? ""));
      }
      parts.push(node("path", { d: `M${left},${top}V${height - bottom}H${width - right}` }));
      axis.replaceChildren(...parts);
    },
    line: (name, points, options = {}) => layer(name, "path", { d: path(points), ...ink(options) }),
    // From the points down (or up) to y = floor.
    area(name, points, { role, colour = role ?? "ink", opacity = 0.2, floor = 0 } = {}) {
      const ends = points.length ? `L${at([points.at(-1)[0], floor])}L${at([points[0][0], floor])}Z` : "";
      return layer(name, "path", { d: path(points) + ends, fill: colourOf(colour), opacity });
    },
    // The area inside a closed path.
    band: (name, points, { role, colour = role ?? "ink", opacity = 0.2 } = {}) =>
      layer(name, "path", { d: points.length ? `${path(points)}Z` : "", fill: colourOf(colour), opacity }),
    // Bars: [[x0, x1, height], ...] standing on y = floor.
    bars(name, bars, { role, colour = role ?? "ink", opacity = 1, floor = 0 } = {}) {
      const d = bars.map(([x0, x1, h]) => `M${at([x0, floor])}L${at([x0, h])}L${at([x1, h])}L${at([x1, floor])}Z`).join(
        "",
      );
      return layer(name, "path", { d, fill: colourOf(colour), opacity });
    },
    // Marks with the role's shape; `marker` one of o s ^ D x; `r` in pixels.
    dots(
      name,
      points,
      { role, colour = role ?? "ink", marker = WORDS.roles[role]?.marker ?? "o", r = 4.5, opacity } = {},
    ) {
      const shape = (p) => MARKERS[marker](round(X(p[0])), round(Y(p[1])), r);
      const look = marker === "x"
        ? { stroke: colourOf(colour), "stroke-width": 2.2, fill: "none" }
        : { fill: colourOf(colour), stroke: colourOf("paper"), "stroke-width": 1 };
      return layer(name, "path", {
        d: points.filter((p) => p.every(Number.isFinite)).map(shape).join(""),
        opacity,
        ...look,
      }, above);
    },
    // A straight line across the plot at { x: value } or { y: value }.
    rule(name, { x: atX, y: atY }, options = {}) {
      const d = atX == null
        ? `M${left},${round(Y(atY))}H${width - right}`
        : `M${round(X(atX))},${top}V${height - bottom}`;
      return layer(name, "path", { d, ...ink({ width: 1, colour: "quiet", ...options }) });
    },
    text(name, px, py, text, { role, colour = role ?? "ink", anchor = "middle", dx = 0, dy = 0, size, weight } = {}) {
      const where = { x: round(X(px) + dx), y: round(Y(py) + dy), "text-anchor": anchor };
      const style = `fill: ${colourOf(colour)};${size ? `font-size: ${size}px;` : ""}${
        weight ? `font-weight: ${weight};` : ""
      }`;
      const made = layer(name, "text", { ...where, style }, above);
      if (made.textContent !== text) made.textContent = text;
      return made;
    },
    // A point that moves up and down, by pointer and by keys; `move(value)` is told, the caller draws it again.
    handle(
      name,
      px,
      value,
      { label: what, min, max, step, format = fixed(2), move, role, colour = role ?? "policy", r = 7 },
    ) {
      const isNew = !layers.has(name);
      const made = layer(name, "circle", {
        cx: round(X(px)),
        cy: round(Y(value)),
        r,
        fill: colourOf(colour),
        stroke: colourOf("paper"),
        "stroke-width": 1.5,
        class: "rl-handle",
        tabindex: 0,
        role: "slider",
        ...KEYS,
        "aria-orientation": "vertical",
        "aria-label": what,
        "aria-valuemin": min,
        "aria-valuemax": max,
        "aria-valuenow": value,
        "aria-valuetext": format(value),
      }, above);
      const set = (wanted) => {
        const snapped = Math.min(max, Math.max(min, Math.round(wanted / step) * step));
        move(Number(snapped.toPrecision(12)));
      };
      made.moveTo = { set, value, step, min, max };
      if (!isNew) return made;
      const pointerY = (event) =>
        new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).y;
      made.addEventListener("pointerdown", (event) => {
        made.setPointerCapture(event.pointerId);
        made.focus();
        event.preventDefault();
      });
      made.addEventListener("pointermove", (event) => {
        if (made.hasPointerCapture(event.pointerId)) made.moveTo.set(invertY(pointerY(event)));
      });
      made.addEventListener("keydown", (event) => {
        const now = made.moveTo;
        const wanted = {
          ArrowUp: now.value + now.step,
          ArrowRight: now.value + now.step,
          ArrowDown: now.value - now.step,
          ArrowLeft: now.value - now.step,
          PageUp: now.value + 10 * now.step,
          PageDown: now.value - 10 * now.step,
          Home: now.min,
          End: now.max,
        }[event.key];
        if (wanted === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        now.set(wanted);
      });
      return made;
    },
    // Takes away the layers that the test picks: (name) => boolean.
    drop(test) {
      for (const [name, made] of layers) {
        if (test(name)) {
          made.remove();
          layers.delete(name);
        }
      }
    },
    // What the picture shows, for who cannot see it. Pictures with handles stay a group, so the handles can be reached.
    say(text) {
      svg.setAttribute("role", above.querySelector("[tabindex]") ? "group" : "img");
      svg.setAttribute("aria-label", label ? `${label}: ${text}` : text);
    },
  };
  self.axes({ x, y });
  self.say("");
  return self;
}

// The key to a plot: [{ role | colour, text, dash, marker, kind: "line" | "mark" | "bar" }, ...].
function legend(items) {
  const sample = (
    {
      role,
      colour = role ?? "ink",
      kind = "line",
      dash = WORDS.roles[role]?.dash,
      marker = WORDS.roles[role]?.marker ?? "o",
    },
  ) => {
    const stroke = { stroke: colourOf(colour), "stroke-width": 2.4, fill: "none", "stroke-dasharray": dash || null };
    if (kind === "line") return node("path", { d: "M1,6H33", ...stroke });
    if (kind === "bar") return node("rect", { x: 9, y: 0, width: 16, height: 12, fill: colourOf(colour) });
    return node("path", {
      d: MARKERS[marker](17, 6, 4.5),
      ...(marker === "x" ? { ...stroke, "stroke-dasharray": null } : { fill: colourOf(colour) }),
    });
  };
  const row = (item) =>
    node("li", {}, node("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" }, sample(item)), item.text);
  return node("ul", { class: "rl-legend" }, items.map(row));
}
