// The hacking gallery: curves of a run with a mistake in it, the healthy run dotted, and an answer to each diagnosis.
// Leaves out the diagnosing: the sentences were written by Python's diagnose() from these curves.

const quoted = (sentences, none) => node("q", {}, sentences.length ? sentences.join(" ") : none);
const invitation = () =>
  node(
    "p",
    { class: "rl-quiet" },
    "Pick one: which mistake would make these curves? You may try as often as you like.",
  );

// What diagnose() says of a run with the mistake that the reader has picked.
const otherRun = ({ name, diagnosis }) => [
  node(
    "p",
    {},
    node("strong", {}, "Not this one. "),
    `Of a run with the mistake “${name}” diagnose() says: `,
    quoted(diagnosis, "nothing"),
  ),
  node("p", {}, "Do these curves show that?"),
];

function solution({ name, story, diagnosis, checks }, picks) {
  const head = picks.includes("") ? `It was “${name}”.` : `Yes: ${name}.`;
  const stop = (check) => node("p", {}, "And the loop would have stopped by itself: ", node("q", {}, check));
  return [
    node("p", {}, node("strong", {}, head), " ", story),
    node("p", {}, "diagnose() says: ", quoted(diagnosis, "nothing: some mistakes hide from a run's own metrics")),
    ...checks.slice(0, 1).map(stop),
  ];
}

function render({ model, el }) {
  begin(el, "What is wrong with this run?");
  const runs = model.get("runs");
  const panels = model.get("panels");
  const healthy = model.get("healthy");
  const steps = Math.max(...runs.map((run) => run.curve.step.length));
  const grid = node("div", { class: "rl-panels" });
  const drawn = panels.map(({ title, names, roles }) => {
    const made = plot({
      width: 230,
      height: 140,
      left: 44,
      right: 8,
      top: 8,
      bottom: 24,
      x: { min: 1, max: steps, count: 4 },
      y: { min: 0, max: 1, count: 3 },
      label: title,
    });
    const items = names.length > 1
      ? legend(names.map((name, i) => ({ role: roles[i], text: name.split("/").at(-1) })))
      : null;
    grid.append(node("div", { class: "rl-panel" }, node("h4", {}, title), made.node, items));
    return made;
  });
  const list = node("ul", { class: "rl-samples" });
  const buttons = model.get("choices").map((name) => button(name, () => pick(name), { "aria-pressed": "false" }));
  const answer = node("div", { class: "rl-answer", role: "status" });
  const score = node("p", { class: "rl-quiet" });
  el.append(
    choice(model, "run", { label: "run", options: runs.map((_, i) => [i, String(i + 1)]) }),
    node(
      "p",
      { class: "rl-quiet" },
      "Each run is the course's PPO with one mistake planted in it. Dotted: the same run without a mistake.",
    ),
    grid,
    node("h4", {}, "What its policy writes at the end"),
    list,
    node("h4", {}, "Your diagnosis"),
    node("div", { class: "rl-choices" }, buttons),
    answer,
    node(
      "div",
      { class: "rl-row" },
      button("show the answer", () => pick("")),
      button("next run", () => put(model, "run", (model.get("run") + 1) % runs.length)),
      score,
    ),
  );

  function pick(name) {
    const run = model.get("run");
    const picks = model.get("picks");
    const before = picks[run] ?? [];
    if (before.includes(runs[run].name) || before.includes("")) return; // told already
    put(model, "picks", { ...picks, [run]: [...before.filter((each) => each !== name), name] });
  }
  function drawRun() {
    const { curve, samples } = runs[model.get("run")];
    panels.forEach(({ names, roles, least }, k) => {
      const both = names.flatMap((name) => [...(curve[name] ?? []), ...(healthy[name] ?? [])]);
      const all = both.filter(Number.isFinite);
      const low = all.length ? Math.min(...all) : 0;
      const high = Math.max(low + least, ...all);
      const room = 0.08 * (high - low) || 0.1 * Math.abs(high) || 0.1;
      drawn[k].axes({ y: { min: low - room, max: high + room } });
      const points = (values = []) => values.map((value, i) => [i + 1, value ?? NaN]);
      names.forEach((name, i) => {
        drawn[k].line(`healthy ${name}`, points(healthy[name]), { role: "reference", width: 1.4 });
        drawn[k].line(name, points(curve[name]), { role: roles[i] });
      });
      const start = (values) => fixed(2)(values?.[0] ?? NaN);
      const end = (values) => fixed(2)(values?.at(-1) ?? NaN);
      const story = (name) =>
        `${name} ${start(curve[name])} at first, ${end(curve[name])} at the end; healthy run ${end(healthy[name])}`;
      drawn[k].say(names.map(story).join("; "));
    });
    list.replaceChildren(...samples.slice(0, 4).map((text) => node("li", {}, text)));
    drawAnswer();
  }
  function drawAnswer() {
    const run = model.get("run");
    const here = runs[run];
    const picks = model.get("picks")[run] ?? [];
    const last = picks.at(-1);
    const told = picks.includes(here.name) || picks.includes("");
    buttons.forEach((made) => {
      made.setAttribute("aria-pressed", String(made.textContent === (told ? here.name : last)));
      made.classList.toggle("rl-out", picks.includes(made.textContent) && made.textContent !== here.name);
    });
    answer.className = `rl-answer ${told ? "rl-right" : last ? "rl-wrong" : ""}`;
    answer.dataset.told = told;
    if (last === undefined) answer.replaceChildren(invitation());
    else if (!told) answer.replaceChildren(...otherRun(runs.find((each) => each.name === last)));
    else answer.replaceChildren(...solution(here, picks));
    const all = Object.entries(model.get("picks"));
    const good = all.filter(([i, said]) => said.includes(runs[i].name) && !said.includes(""));
    const first = good.filter(([, said]) => said.length === 1).length;
    score.textContent = `${good.length} of ${runs.length} found` +
      (good.length ? `, ${first} at the first try` : "");
  }
  const ends = [redrawOn(model, ["run"], drawRun), redrawOn(model, ["picks"], drawAnswer)];
  return () => ends.forEach((end) => end());
}

export default { render };
