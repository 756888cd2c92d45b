// Pictures in SVG: two axes and named layers, and the key to them.

const SCALES = { // a value -> its place on the axis, and back
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
const dashOf = (role) => WORDS.roles[role]?.dash;
const markerOf = (role) => WORDS.roles[role]?.marker ?? "o";
const hundredths = (pixel) => Math.round(pixel * 100) / 100; // shorter text, same picture

// A plot: two axes and layers that are kept by name, so that a redraw changes attributes and creates nothing.
//   x, y: { min, max, label, scale: "linear" | "log" | "sqrt", ticks: [values], format, count }
// Layers: line, area, band, bars, dots, rule, text, handle. The first argument of each is the layer's name, unique in
// this plot. Options of a layer: role (colour, dash and marker of plots.ROLES) or colour ("ink", "second", ...), width,
// dash, opacity.
function plot({ width = 560, height = 300, left = 56, right = 14, top = 14, bottom = 46, x, y, label }) {
  const frame = { left, right: width - right, top, bottom: height - bottom, height, ranges: {} };
  const { axis, inside, above, svg } = emptyPicture(frame, width);
  const layers = new Map();
  const layer = (name, tag, attributes, parent = inside) => {
    if (!layers.has(name)) {
      layers.set(name, node(tag, { "data-layer": name }));
      parent.append(layers.get(name));
    }
    return setAttributes(layers.get(name), attributes);
  };
  const self = {
    node: node("div", { class: "rl-plot", style: `max-width: ${width}px` }, svg),
    axes: (ranges) => drawAxes(frame, axis, ranges),
    ...shapes(frame, layer),
    ...marks(frame, layer, above),
    handle(name, x, value, options) {
      const isNew = !layers.has(name);
      const knob = layer(name, "circle", knobLook(frame, x, value, options), above);
      knob.moveTo = knobSteps(value, options);
      if (isNew) listenToKnob(knob, (event) => valueAt(frame, svg, event));
    },
    // Takes away the layers that the test picks: (name) => boolean.
    drop(test) {
      for (const [name, element] of layers) {
        if (test(name)) {
          element.remove();
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

// The empty picture: axes below, then what is cut off at the frame, then what is not.
function emptyPicture({ left, right, top, bottom, height }, width) {
  const clip = newId();
  const axis = node("g", { class: "rl-axis", "aria-hidden": "true" });
  const inside = node("g", { "clip-path": `url(#${clip})` });
  const above = node("g");
  const box = node("rect", { x: left, y: top, width: right - left, height: bottom - top });
  const svg = node(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, style: `max-width: ${width}px` },
    node("defs", {}, node("clipPath", { id: clip }, box)),
    axis,
    inside,
    above,
  );
  return { axis, inside, above, svg };
}

// Sets attributes, those that differ; null and undefined take one away.
function setAttributes(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null) element.removeAttribute(key);
    else if (element.getAttribute(key) !== String(value)) element.setAttribute(key, value);
  }
  return element;
}

// ---- From values to pixels and back. ----
// How far along the axis a value is: 0 at its min, 1 at its max.
function portion({ min, max, scale }, value) {
  const [to] = SCALES[scale];
  return (to(value) - to(min)) / (to(max) - to(min));
}
const pixelX = ({ ranges, left, right }, value) => left + portion(ranges.x, value) * (right - left);
const pixelY = ({ ranges, top, bottom }, value) => bottom + portion(ranges.y, value) * (top - bottom);
const roundX = (frame, value) => hundredths(pixelX(frame, value));
const roundY = (frame, value) => hundredths(pixelY(frame, value));
const pointText = (frame, [x, y]) => `${roundX(frame, x)},${roundY(frame, y)}`;

function pathText(frame, points) {
  let text = "";
  let pen = "M";
  for (const point of points) {
    const shown = Number.isFinite(pixelX(frame, point[0])) && Number.isFinite(pixelY(frame, point[1]));
    if (shown) text += pen + pointText(frame, point);
    pen = shown ? "L" : "M"; // a value that is not finite leaves a gap
  }
  return text;
}

// The value on the y axis where the pointer is.
function valueAt({ ranges, top, bottom }, svg, event) {
  const { min, max, scale } = ranges.y;
  const [to, from] = SCALES[scale];
  const pointer = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return from(to(min) + ((bottom - pointer.y) / (bottom - top)) * (to(max) - to(min)));
}

// ---- Axes. ----
// Round numbers between min and max, about `count` of them; powers of ten (and 2, 5 between) on a log scale.
function niceTicks({ min, max, count, scale }) {
  if (scale === "log") {
    const decades = [];
    for (let e = Math.floor(Math.log10(min)); e <= Math.ceil(Math.log10(max)); e += 1) {
      for (const m of max / min > 300 ? [1] : [1, 2, 5]) decades.push(Number((m * 10 ** e).toPrecision(6)));
    }
    return decades.filter((value) => value >= min * (1 - 1e-9) && value <= max * (1 + 1e-9));
  }
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= rough * (1 - 1e-9));
  const first = Math.ceil(min / step - 1e-9);
  const last = Math.floor(max / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

// Sets one or both ranges and draws the axes again; what `news` leaves out stays as it is.
function drawAxes(frame, axis, news) {
  const before = JSON.stringify(frame.ranges, functionsAsText);
  const { x, y } = frame.ranges;
  frame.ranges = {
    x: { scale: "linear", count: 6, ...x, ...news.x },
    y: { scale: "linear", count: 5, ...y, ...news.y },
  };
  if (JSON.stringify(frame.ranges, functionsAsText) === before) return;
  const { left, right, top, bottom, height, ranges } = frame;
  const placeOfX = { x: (left + right) / 2, y: height - 8 };
  const placeOfY = { transform: `translate(14 ${(top + bottom) / 2}) rotate(-90)` };
  axis.replaceChildren(
    ...axisTicks(ranges.x, (value) => tickOfX(frame, value)),
    axisLabel(ranges.x, placeOfX),
    ...axisTicks(ranges.y, (value) => tickOfY(frame, value)),
    axisLabel(ranges.y, placeOfY),
    node("path", { d: `M${left},${top}V${bottom}H${right}` }),
  );
}
const functionsAsText = (_, value) => (typeof value === "function" ? String(value) : value);
const axisLabel = ({ label }, place) =>
  node("text", { class: "rl-axis-label", "text-anchor": "middle", ...place }, label ?? "");

// A grid line and a number for each tick; `place(value)` says where: [path of the line, attributes of the number].
function axisTicks(range, place) {
  const { min, max, scale, format } = range;
  const values = (range.ticks ?? niceTicks(range)).filter((v) => v >= min - 1e-12 && v <= max + 1e-12);
  const digits = Math.max(0, ...values.map((v) => (String(v).split(".")[1] ?? "").length));
  const write = format ?? (scale === "linear" ? fixed(Math.min(digits, 4)) : (v) => String(v));
  return values.flatMap((value) => {
    const [d, text] = place(value);
    return [node("path", { class: "rl-grid", d }), node("text", text, write(value))];
  });
}
function tickOfX(frame, value) {
  const x = roundX(frame, value);
  return [`M${x},${frame.top}V${frame.bottom}`, { x, y: frame.bottom + 16, "text-anchor": "middle" }];
}
function tickOfY(frame, value) {
  const y = roundY(frame, value);
  return [`M${frame.left},${y}H${frame.right}`, { x: frame.left - 7, y: y + 4, "text-anchor": "end" }];
}

// ---- Layers. ----
const penOf = ({ role, colour = role ?? "ink", width = 2, dash = dashOf(role), opacity }) => ({
  stroke: colourOf(colour),
  "stroke-width": width,
  "stroke-dasharray": dash || null,
  fill: "none",
  opacity,
});

// Layers that are cut off at the frame.
const shapes = (frame, layer) => ({
  line: (name, points, options = {}) => layer(name, "path", { d: pathText(frame, points), ...penOf(options) }),
  // From the points down (or up) to y = floor.
  area(name, points, { role, colour = role ?? "ink", opacity = 0.2, floor = 0 } = {}) {
    const edge = (point) => `L${pointText(frame, [point[0], floor])}`;
    const ends = points.length ? `${edge(points.at(-1))}${edge(points[0])}Z` : "";
    layer(name, "path", { d: pathText(frame, points) + ends, fill: colourOf(colour), opacity });
  },
  // The area inside a closed path.
  band(name, points, { role, colour = role ?? "ink", opacity = 0.2 } = {}) {
    const d = points.length ? `${pathText(frame, points)}Z` : "";
    layer(name, "path", { d, fill: colourOf(colour), opacity });
  },
  // Bars: [[x0, x1, height], ...] standing on y = floor.
  bars(name, bars, { role, colour = role ?? "ink", opacity = 1, floor = 0 } = {}) {
    const corners = ([x0, x1, height]) => [[x0, floor], [x0, height], [x1, height], [x1, floor]];
    const outline = (bar) => `M${corners(bar).map((corner) => pointText(frame, corner)).join("L")}Z`;
    layer(name, "path", { d: bars.map(outline).join(""), fill: colourOf(colour), opacity });
  },
  // A straight line across the plot at { x: value } or { y: value }.
  rule(name, { x, y }, options = {}) {
    const { left, right, top, bottom } = frame;
    const d = x == null ? `M${left},${roundY(frame, y)}H${right}` : `M${roundX(frame, x)},${top}V${bottom}`;
    layer(name, "path", { d, ...penOf({ width: 1, colour: "quiet", ...options }) });
  },
});

// Layers above the others, which may stand out of the frame.
const marks = (frame, layer, above) => ({
  // Marks with the role's shape; `marker` one of o s ^ D x; `r` in pixels.
  dots(name, points, { role, colour = role ?? "ink", marker = markerOf(role), r = 4.5, opacity } = {}) {
    const shape = ([x, y]) => MARKERS[marker](roundX(frame, x), roundY(frame, y), r);
    const d = points.filter((point) => point.every(Number.isFinite)).map(shape).join("");
    const look = marker === "x"
      ? { stroke: colourOf(colour), "stroke-width": 2.2, fill: "none" }
      : { fill: colourOf(colour), stroke: colourOf("paper"), "stroke-width": 1 };
    layer(name, "path", { d, opacity, ...look }, above);
  },
  text(name, x, y, text, { role, colour = role ?? "ink", anchor = "middle", dx = 0, dy = 0, size, weight } = {}) {
    const place = {
      x: hundredths(pixelX(frame, x) + dx),
      y: hundredths(pixelY(frame, y) + dy),
      "text-anchor": anchor,
    };
    const large = size ? `font-size: ${size}px;` : "";
    const heavy = weight ? `font-weight: ${weight};` : "";
    const words = layer(name, "text", { ...place, style: `fill: ${colourOf(colour)};${large}${heavy}` }, above);
    if (words.textContent !== text) words.textContent = text;
  },
});

// ---- A handle: a point that moves up and down, by pointer and by keys. It calls `move(value)`, nothing else. ----
function knobLook(frame, x, value, { label, min, max, format = fixed(2), role, colour = role ?? "policy", r = 7 }) {
  return {
    cx: roundX(frame, x),
    cy: roundY(frame, value),
    r,
    fill: colourOf(colour),
    stroke: colourOf("paper"),
    "stroke-width": 1.5,
    class: "rl-handle",
    tabindex: 0,
    role: "slider",
    ...KEYS,
    "aria-orientation": "vertical",
    "aria-label": label,
    "aria-valuemin": min,
    "aria-valuemax": max,
    "aria-valuenow": value,
    "aria-valuetext": format(value),
  };
}

// How far each key moves it, and `set`, which rounds to a step within the range.
function knobSteps(value, { min, max, step, move }) {
  const set = (wanted) => {
    const snapped = Math.min(max, Math.max(min, Math.round(wanted / step) * step));
    move(Number(snapped.toPrecision(12)));
  };
  const keys = {
    ArrowUp: value + step,
    ArrowRight: value + step,
    ArrowDown: value - step,
    ArrowLeft: value - step,
    PageUp: value + 10 * step,
    PageDown: value - 10 * step,
    Home: min,
    End: max,
  };
  return { set, keys };
}

function listenToKnob(knob, valueOf) {
  knob.addEventListener("pointerdown", (event) => {
    knob.setPointerCapture(event.pointerId);
    knob.focus();
    event.preventDefault();
  });
  knob.addEventListener("pointermove", (event) => {
    if (knob.hasPointerCapture(event.pointerId)) knob.moveTo.set(valueOf(event));
  });
  knob.addEventListener("keydown", (event) => {
    const wanted = knob.moveTo.keys[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    knob.moveTo.set(wanted);
  });
}

// ---- The key to a plot: [{ role | colour, text, dash, marker, kind: "line" | "mark" | "bar" }, ...]. ----
function legend(items) {
  const row = (item) =>
    node("li", {}, node("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" }, legendSample(item)), item.text);
  return node("ul", { class: "rl-legend" }, items.map(row));
}
function legendSample(
  { role, colour = role ?? "ink", kind = "line", dash = dashOf(role), marker = markerOf(role), width = 2.4 },
) {
  const line = penOf({ colour, width, dash });
  if (kind === "line") return node("path", { d: "M1,6H33", ...line });
  if (kind === "bar") return node("rect", { x: 9, y: 0, width: 16, height: 12, fill: colourOf(colour) });
  const look = marker === "x" ? { ...line, "stroke-dasharray": null } : { fill: colourOf(colour) };
  return node("path", { d: MARKERS[marker](17, 6, 4.5), ...look });
}
