// The model's next token under temperature, top-k and top-p; `maths` equals the softmax that generate.sample_token
// draws from. Leaves out the model: its logits come from Python, or stand in the page.

const maths = {
  // Probability of every token: temperature first, then the top k, then the nucleus of what is left. Each step is
  // rounded to float32, as in Python, so that both put the nucleus' edge at the same token.
  reweigh(logits, temperature, topK, topP) {
    const round = Math.fround;
    const scaled = Float32Array.from(logits, (z) => z / round(temperature));
    const order = Float32Array.from(scaled).sort().reverse(); // typed arrays sort by number
    let least = topK > 0 && topK < order.length ? order[topK - 1] : -Infinity;
    if (topP < 1) {
      const kept = order.filter((z) => z >= least);
      const chance = logSoftmax(kept).map(Math.exp);
      let before = 0;
      let last = 0;
      for (let i = 0; i < kept.length && before < topP; i += 1) {
        last = i;
        before += chance[i];
      }
      least = kept[last];
    }
    return logSoftmax(Array.from(scaled, (z) => (z < least ? -Infinity : z))).map(Math.exp);
  },
  entropy: (chances) => -sum(chances.map((p) => (p > 0 ? p * Math.log(p) : 0))),
};

const SHOWN = 20;

function render({ model, el }) {
  begin(el, "The next token: temperature, top-k and top-p");
  const live = model.get("live");
  const examples = model.get("examples");
  const pieces = model.get("pieces");
  const readable = (id) => (pieces[id] ?? "").replace("Ġ", "␣") || "(empty)";
  const texts = examples.map(({ text }) => [text, text]);
  const pick = select(model, "text", {
    label: "text so far",
    options: live ? [...texts, ["", "(typed below)"]] : texts,
  });
  const id = newId();
  const typed = node("input", { type: "text", id, spellcheck: "false", autocomplete: "off", ...KEYS });
  let typing = 0;
  typed.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => put(model, "text", typed.value), 250);
  });
  const onText = () => {
    if (document.activeElement !== typed && typed.value !== model.get("text")) typed.value = model.get("text");
  };
  onText();
  model.on("change:text", onText);
  const controls = node(
    "div",
    { class: "rl-row" },
    slider(model, "temperature", { label: "temperature", min: 0.1, max: 3, step: 0.05, format: fixed(2) }),
    slider(model, "top_k", { label: "top-k", min: 0, max: 50, step: 1, format: (k) => (k === 0 ? "all" : String(k)) }),
    slider(model, "top_p", {
      label: "top-p",
      min: 0.05,
      max: 1,
      step: 0.01,
      format: (p) => (p >= 1 ? "all" : fixed(2)(p)),
    }),
  );
  const drawn = node("p", { role: "status" });
  let chances = [];
  const draw = button("Draw a token", () => {
    let u = Math.random();
    let token = chances.findIndex((p) => (u -= p) < 0);
    if (token < 0) token = chances.indexOf(Math.max(...chances));
    drawn.textContent = `Drawn: “${readable(token)}”, probability ${percent(chances[token], 2)}.`;
    if (live) {
      typed.value = `${model.get("text")}${pieces[token].replace("Ġ", " ")}`;
      put(model, "text", typed.value);
    }
  }, { class: "rl-main" });
  const row = 19;
  const left = 150;
  const width = 880;
  const picture = node("svg", { viewBox: `0 0 ${width} ${SHOWN * row + 8}`, role: "img" });
  const rows = Array.from({ length: SHOWN }, (_, i) => {
    const y = i * row + 4;
    const parts = {
      name: node("text", { x: left - 8, y: y + 13, "text-anchor": "end", class: "rl-math" }),
      plain: node("rect", { x: left, y: y + 1, height: row - 3, fill: colourOf("quiet"), opacity: 0.45, width: 0 }),
      now: node("rect", { x: left, y: y + 4, height: row - 9, width: 0 }),
      value: node("text", { y: y + 13 }),
    };
    picture.append(...Object.values(parts));
    return parts;
  });
  const words = says();
  const keys = legend([
    { colour: "policy", kind: "bar", text: "sampled from" },
    { colour: "quiet", kind: "bar", text: "the model's own, temperature 1" },
  ]);
  const ownText = node(
    "div",
    { class: "rl-row" },
    node("label", { for: id }, "or type"),
    node("div", { style: "flex: 1" }, typed),
  );
  el.append(
    node("div", { class: "rl-row" }, pick),
    ...(live ? [ownText] : []),
    controls,
    picture,
    keys,
    node("div", { class: "rl-row" }, draw, drawn),
    words,
  );

  let read = null;
  let logits = new Float32Array(0);
  let own = [];
  let order = [];
  const end = redrawOn(model, ["text", "logits", "temperature", "top_k", "top_p"], () => {
    const known = examples.find(({ text }) => text === model.get("text"));
    const source = live || !known ? model.get("logits") : known.logits;
    if (source !== read) { // the order of the bars is the model's own and stays while the sliders move
      read = source;
      logits = floats(source);
      own = maths.reweigh(logits, 1, 0, 1);
      order = [...own.keys()].sort((a, b) => own[b] - own[a]);
    }
    const [temperature, topK, topP] = ["temperature", "top_k", "top_p"].map((name) => model.get(name));
    chances = maths.reweigh(logits, temperature, topK, topP);
    const most = Math.max(...own, ...chances);
    const scale = (p) => (p / most) * (width - left - 110);
    rows.forEach(({ name, plain, now, value }, i) => {
      const token = order[i];
      const p = chances[token];
      name.textContent = readable(token);
      name.style.opacity = p > 0 ? 1 : 0.55;
      plain.setAttribute("width", scale(own[token]));
      now.setAttribute("width", scale(p));
      now.setAttribute("fill", colourOf("policy"));
      value.setAttribute("x", left + Math.max(scale(p), scale(own[token])) + 6);
      value.textContent = p > 0 ? percent(p, 2) : "cut";
    });
    const kept = chances.filter((p) => p > 0).length;
    const shownMass = sum(order.slice(0, SHOWN).map((t) => chances[t]));
    words.textContent =
      `${kept} of ${chances.length} tokens can be drawn; entropy ${fixed(2)(maths.entropy(chances))} nats ` +
      `(the model's own: ${fixed(2)(maths.entropy(own))}). The ${SHOWN} tokens above hold ${percent(shownMass)}.`;
    const first = order.slice(0, 5).map((t) => `${readable(t)} ${percent(chances[t])}`);
    picture.setAttribute("aria-label", `Next tokens: ${first.join(", ")}`);
  });
  return () => {
    model.off("change:text", onText);
    clearTimeout(typing);
    end();
  };
}

export default { render, maths };
