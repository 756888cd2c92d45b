// A text, what each scorer says of it, and which words it is about: the score with the word less the score without.
// Leaves out the scorers: they are Python's; a page shows texts that were scored before.

const SHAPES = ["proxy", "gold", "judge"];

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
  // A number with a bar from 0 and the scorer's mark at its end; one unit a scale, as far as the largest score.
  const bar = (name, value, edge) => {
    const x = 50 + (46 * value) / edge;
    const { role, colour = role, marker = WORDS.roles[role].marker } = roleOf(name);
    return node(
      "span",
      { class: "rl-bar" },
      signed(2)(value),
      node(
        "svg",
        { viewBox: "0 0 100 14", "aria-hidden": "true" },
        node("path", { d: "M50,0V14", stroke: colourOf("quiet") }),
        node("rect", {
          x: Math.min(50, x),
          y: 5,
          width: Math.abs(x - 50),
          height: 4,
          fill: colourOf(colour),
          opacity: 0.45,
        }),
        node("path", { d: MARKERS[marker](x, 7, 4), fill: colourOf(colour) }),
      ),
    );
  };

  const end = redrawOn(model, ["result", "history", "shown", "problem"], () => {
    const { influence } = model.get("result");
    const history = model.get("history");
    const shown = model.get("shown");
    const moves = influence.map((word) => word[shown]);
    const most = Math.max(...moves.map(Math.abs), 1e-9);
    sentence.replaceChildren(...influence.flatMap((word) => {
      const move = word[shown];
      const strength = Math.abs(move) / most;
      const colour = colourOf(move < 0 ? "bad" : "good");
      const shade = `color-mix(in srgb, ${colour} ${Math.round(45 * strength)}%, transparent)`;
      const style = `background: ${shade}; border-bottom: 3px ${
        move < 0 ? "dotted" : "solid"
      } color-mix(in srgb, ${colour} ${Math.round(100 * strength)}%, transparent)`;
      return [node("span", { class: "rl-word", style }, word.word, node("small", {}, signed(2)(move))), " "];
    }));
    const edge = (name) =>
      Math.max(
        1,
        ...history.flatMap((row) =>
          names.filter((other) => model.get("units")[other] === model.get("units")[name]).map((other) =>
            Math.abs(row.scores[other])
          )
        ),
      );
    numbers.replaceChildren(table(
      ["text, newest on top", ...names],
      history.map((row, i) => [
        i === 0 ? node("strong", {}, row.text || "(empty)") : row.text || "(empty)",
        ...names.map((name) => bar(name, row.scores[name], edge(name))),
      ]),
    ));
    const strongest = influence.length ? influence[moves.map(Math.abs).indexOf(most)] : null;
    words.classList.toggle("rl-warning", Boolean(model.get("problem")));
    words.textContent = model.get("problem")
      ? model.get("problem")
      : strongest
      ? `For the ${shown}, “${strongest.word}” matters most: without it the score would move by ${
        signed(2)(-strongest[shown])
      }.`
      : "Type a few words: each is then left out once, to see what its absence does.";
  });
  return () => {
    model.off("change:text", onText);
    clearTimeout(typing);
    end();
  };
}

export default { render };
