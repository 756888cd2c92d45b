// A text, what each scorer says of it, and which words it is about: the score with the word less the score without.
// Leaves out the scorers: they are Python's; a page shows texts that were scored before.

const SHAPES = ["proxy", "gold", "judge"];

// A word with a background and a line below that are the stronger, the more the score moves without it.
function wordInColour(word, move, most) {
  const strength = Math.abs(move) / most;
  const colour = (share) =>
    `color-mix(in srgb, ${colourOf(move < 0 ? "bad" : "good")} ${Math.round(share * strength)}%, transparent)`;
  const line = `3px ${move < 0 ? "dotted" : "solid"} ${colour(100)}`;
  const style = `background: ${colour(45)}; border-bottom: ${line}`;
  return node("span", { class: "rl-word", style }, word, node("small", {}, signed(2)(move)));
}

function render({ model, el }) {
  begin(el, "What do the scorers see? Type a text");
  const live = model.get("live");
  const id = newId();
  const typed = node("textarea", { id, rows: 2, spellcheck: "false", ...KEYS });
  const pick = select(model, "text", {
    label: "a text",
    options: [...model.get("examples").map(({ text }) => [text, text]), ...(live ? [["", "(typed below)"]] : [])],
  });
  let typing = 0;
  typed.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => put(model, "text", typed.value), 300);
  });
  const onText = () => {
    if (document.activeElement !== typed && typed.value !== model.get("text")) typed.value = model.get("text");
    if (live) return;
    const known = model.get("examples").find(({ text }) => text === model.get("text"));
    if (known) {
      model.set("result", known);
      model.set("history", [known, ...model.get("history").filter((r) => r.text !== known.text)].slice(0, 8));
    }
  };
  onText();
  model.on("change:text", onText);
  const names = Object.keys(model.get("units"));
  const roleOf = (name) => (SHAPES.includes(name) ? { role: name } : { colour: "second", marker: "o" });
  const whose = choice(model, "shown", { label: "words as seen by", options: names.map((name) => [name, name]) });
  const sentence = node("p", { class: "rl-sentence", role: "group", "aria-label": "The text word by word" });
  const numbers = node("div", { class: "rl-scores" });
  const words = says();
  el.append(
    node("div", { class: "rl-row" }, pick),
    ...(live ? [node("label", { for: id }, "or type your own"), typed] : []),
    node("div", { class: "rl-row" }, whose),
    sentence,
    words,
    numbers,
    node("p", { class: "rl-quiet" }, names.map((name) => `${name}: ${model.get("units")[name]}`).join("; ")),
  );
  // A number with a bar from 0 and the scorer's mark at its end; scorers with the same unit share a scale up to `edge`.
  const bar = (name, value, edge) => {
    const { role, colour = role, marker = WORDS.roles[role].marker } = roleOf(name);
    const x = 50 + (46 * value) / edge;
    const size = { x: Math.min(50, x), y: 5, width: Math.abs(x - 50), height: 4 };
    const picture = node(
      "svg",
      { viewBox: "0 0 100 14", "aria-hidden": "true" },
      node("path", { d: "M50,0V14", stroke: colourOf("quiet") }),
      node("rect", { ...size, fill: colourOf(colour), opacity: 0.45 }),
      node("path", { d: MARKERS[marker](x, 7, 4), fill: colourOf(colour) }),
    );
    return node("span", { class: "rl-bar" }, signed(2)(value), picture);
  };

  const end = redrawOn(model, ["result", "history", "shown", "problem"], () => {
    const { influence } = model.get("result");
    const history = model.get("history");
    const shown = model.get("shown");
    const moves = influence.map((word) => word[shown]);
    const most = Math.max(...moves.map(Math.abs), 1e-9);
    sentence.replaceChildren(...influence.flatMap((word) => [wordInColour(word.word, word[shown], most), " "]));
    const units = model.get("units");
    const edge = (name) => {
      const others = names.filter((other) => units[other] === units[name]);
      return Math.max(1, ...history.flatMap((row) => others.map((other) => Math.abs(row.scores[other]))));
    };
    const cells = (row, i) => {
      const text = row.text || "(empty)";
      const first = i === 0 ? node("strong", {}, text) : text;
      return [first, ...names.map((name) => bar(name, row.scores[name], edge(name)))];
    };
    numbers.replaceChildren(table(["text, newest on top", ...names], history.map(cells)));
    const strongest = influence.length ? influence[moves.map(Math.abs).indexOf(most)] : null;
    const problem = model.get("problem");
    words.classList.toggle("rl-warning", Boolean(problem));
    if (problem) words.textContent = problem;
    else if (strongest) {
      const move = signed(2)(-strongest[shown]);
      words.textContent =
        `For the ${shown}, “${strongest.word}” matters most: without it the score would move by ${move}.`;
    } else words.textContent = "Type a few words: each is then left out once, to see what its absence does.";
  });
  return () => {
    model.off("change:text", onText);
    clearTimeout(typing);
    end();
  };
}

export default { render };
