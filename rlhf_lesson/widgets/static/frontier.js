// The frontier explorer: what each method earns at each distance from the reference; thin lines are single seeds.
// Leaves out the reading at equal KL: Python's benchmark did it, over seeds, and gives median and range.

const nats = (kl) => `${kl} ${kl === 1 ? "nat" : "nats"}`;

// A short piece of a method's line with its mark.
function sampleOf([colour, dash, marker]) {
  const pen = { fill: "none", stroke: colourOf(colour), "stroke-width": 2.2 };
  const ink = marker === "x" ? pen : { fill: colourOf(colour) };
  return node(
    "svg",
    { viewBox: "0 0 34 12", "aria-hidden": "true" },
    node("path", { d: "M1,6H33", ...pen, "stroke-dasharray": dash || null }),
    node("path", { d: MARKERS[marker](17, 6, 4), ...ink }),
  );
}

function render({ model, el }) {
  begin(el, "Methods at equal KL");
  const looks = model.get("looks");
  const paths = model.get("paths");
  const equal = model.get("equal");
  const kls = [...new Set(equal.map((row) => row.kl))].sort((a, b) => a - b);
  const farthest = Math.max(...paths.flatMap((path) => path.kl), ...kls);
  const picture = plot({
    width: 720,
    height: 400,
    x: { min: 0, max: farthest, label: WORDS.kl },
    y: { min: -1, max: 1, label: "" },
    label: "score against KL",
  });
  const boxes = Object.entries(looks).map(([method, look]) => {
    const change = () => {
      const on = new Set(model.get("shown"));
      on[box.checked ? "add" : "delete"](method);
      put(model, "shown", Object.keys(looks).filter((each) => on.has(each)));
    };
    const box = node("input", { type: "checkbox", name: method, ...KEYS, on: { change } });
    return { method, box, label: node("label", { class: "rl-method" }, box, sampleOf(look), method) };
  });
  const slide = slider(model, "place", {
    label: "read at",
    min: 0,
    max: kls.length - 1,
    step: 1,
    format: (place) => nats(kls[place]),
  });
  const below = node("div");
  const sentence = says();
  el.append(
    node(
      "div",
      { class: "rl-row" },
      choice(model, "scorer", { label: "score by", options: model.get("scorers").map((name) => [name, name]) }),
      toggle(model, "root", { label: "square-root KL axis" }),
      toggle(model, "seeds", { label: "single seeds" }),
    ),
    node("fieldset", { class: "rl-methods" }, node("legend", {}, "methods"), boxes.map(({ label }) => label)),
    picture.node,
    node("div", { class: "rl-row" }, slide),
    sentence,
    below,
  );

  function draw() {
    const scorer = model.get("scorer");
    const shown = new Set(model.get("shown"));
    const root = model.get("root");
    const kl = kls[model.get("place")];
    for (const { method, box } of boxes) box.checked = shown.has(method);
    const lines = paths.filter((path) => shown.has(path.method) && path[scorer]);
    const rows = equal.filter((row) => shown.has(row.method) && row[scorer]);
    const all = [
      ...(model.get("seeds") ? lines.flatMap((path) => path[scorer]) : []),
      ...rows.flatMap((row) => [row[scorer].min, row[scorer].max]),
      0,
    ];
    const low = Math.min(...all);
    const high = Math.max(...all);
    const room = 0.06 * (high - low) || 0.5;
    const ticks = root ? [0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128] : null;
    picture.axes({
      x: { max: farthest * 1.02, scale: root ? "sqrt" : "linear", ticks },
      y: { min: low - room, max: high + room, label: `gain, ${scorer} ${WORDS.score}` },
    });
    drawCurves(scorer, kl, lines, rows);
    drawTable(scorer, kl, rows);
  }
  function drawCurves(scorer, kl, lines, rows) {
    picture.drop(() => true);
    picture.rule("zero", { y: 0 });
    if (kl !== undefined) picture.rule("read", { x: kl }, { dash: "2 3", colour: "ink" });
    if (model.get("seeds")) {
      lines.forEach((path, i) => {
        const [colour] = looks[path.method];
        picture.line(`run ${i}`, path.kl.map((x, k) => [x, path[scorer][k]]), { colour, width: 1, opacity: 0.3 });
      });
    }
    for (const method of model.get("shown")) {
      const [colour, dash, marker] = looks[method];
      const mine = rows.filter((row) => row.method === method).sort((a, b) => a.kl - b.kl);
      for (const row of mine) {
        const range = [[row.kl, row[scorer].min], [row.kl, row[scorer].max]];
        picture.line(`range ${method} ${row.kl}`, range, { colour, width: 2, opacity: 0.8 });
      }
      const medians = mine.map((row) => [row.kl, row[scorer].median]);
      picture.line(`median ${method}`, medians, { colour, dash, width: 2.6 });
      picture.dots(`at ${method}`, medians, { colour, marker, r: 5 });
    }
  }
  function drawTable(scorer, kl, rows) {
    const here = rows.filter((row) => row.kl === kl).sort((a, b) => b[scorer].median - a[scorer].median);
    const number = signed(2);
    const cells = ({ method, seeds, [scorer]: { median, min, max } }) => {
      return [method, number(median), `${number(min)} to ${number(max)}`, String(seeds)];
    };
    const head = ["method", `median gain in ${scorer}`, "lowest to highest seed", "seeds that get there"];
    below.replaceChildren(table(head, here.map(cells)));
    const [first, second] = here;
    let text = kl === undefined ? "" : `At ${nats(kl)} no method that is switched on has a measurement.`;
    if (first) {
      const top = number(first[scorer].median);
      text = `At ${nats(kl)} ${first.method} has the highest median gain in ${scorer}: ${top}.`;
    }
    if (second) {
      const isApart = first[scorer].min > second[scorer].max;
      const overlap = isApart
        ? "every seed of the first is above every seed of the second"
        : "their seeds overlap, so the order may be luck";
      text += ` ${second.method} follows with ${number(second[scorer].median)}; ${overlap}.`;
    }
    sentence.textContent = text;
    picture.say(text);
  }
  return redrawOn(model, ["scorer", "shown", "root", "seeds", "place"], draw);
}

export default { render };
