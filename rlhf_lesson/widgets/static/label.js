// The labelling app: two texts side by side, one key per decision. The next pair appears when the kernel says that the
// last decision is on disk.
// Leaves out every decision about files and pairs: Python makes them, this draws and asks.

const VOTE_OF = {
  ArrowLeft: "A",
  1: "A",
  ArrowRight: "B",
  2: "B",
  ArrowDown: "tie",
  t: "tie",
  s: "skip",
  u: "undo",
  Backspace: "undo",
};
const PATIENCE = 4000; // ms without an answer until the reader is told that nothing was saved

function render({ model, el }) {
  begin(el, "Label pairs");
  el.classList.add("rl-labels");
  let shownAt = performance.now();
  let waiting = null;
  let alarm = 0;

  function send(vote) {
    const question = model.get("question");
    if (waiting !== null) return; // the last one is not on disk yet
    if (vote !== "undo" && question.number === undefined) return;
    waiting = model.get("saved");
    desk.classList.add("rl-waiting");
    const lost = "The kernel does not answer: this decision is NOT saved. " +
      "Restart the kernel and run the cell again; it goes on where your file ends.";
    alarm = setTimeout(() => say(lost, true), PATIENCE);
    const seconds = Math.round(performance.now() - shownAt) / 1000;
    model.send(vote === "undo" ? { do: "undo" } : { do: "decide", vote, number: question.number, seconds });
  }
  function press(event) {
    const vote = VOTE_OF[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!vote || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) send(vote); // a key held down decides once
  }
  function say(text, urgent = false) {
    message.textContent = text;
    message.classList.toggle("rl-warning", urgent);
  }

  const side = (vote, where) => {
    const text = node("span", { class: "rl-snippet" });
    const box = button([], () => send(vote), { class: "rl-side" });
    box.append(node("span", { class: "rl-quiet" }, where), text);
    return { box, text };
  };
  const left = side("A", "left (←)");
  const right = side("B", "right (→)");
  const ask = node("p", { class: "rl-ask" });
  const fill = node("span");
  const bar = node("div", { class: "rl-bar", role: "progressbar", "aria-label": "decided" }, fill);
  const count = node("span", { class: "rl-count" });
  const message = says();
  const report = node("div");
  const rules = node("div", { class: "rl-rules" });
  const file = node("input", { type: "file", accept: ".jsonl", hidden: true, on: { change: load } });
  const keys = "Arrow left, arrow right: that one. Arrow down or t: no difference. s: skip. u or backspace: undo.";
  const desk = node(
    "div",
    { class: "rl-desk", tabindex: 0, role: "group", "aria-label": keys, ...KEYS, on: { keydown: press } },
    ask,
    node("div", { class: "rl-pair" }, left.box, right.box),
    node(
      "div",
      { class: "rl-row" },
      button("no difference (↓)", () => send("tie")),
      button("skip (s)", () => send("skip")),
      button("undo (u)", () => send("undo")),
    ),
  );
  const aside = node("aside", { "aria-label": "your guidelines" }, node("h4", {}, "Your guidelines"), rules);
  el.append(
    node("div", { class: "rl-progress" }, bar, count),
    node("div", { class: "rl-table" }, desk, aside),
    message,
    node(
      "div",
      { class: "rl-row rl-quiet" },
      button("my agreement with other people", () => {
        say("Counting ...");
        model.send({ do: "report" });
      }, { class: "rl-ask-report" }),
      button("download my labels", () => model.send({ do: "download" })),
      button("import labels", () => file.click()),
      file,
    ),
    report,
  );

  async function load() {
    if (file.files.length) model.send({ do: "import", name: file.files[0].name, text: await file.files[0].text() });
    file.value = "";
  }
  function drawQuestion() {
    const question = model.get("question");
    const counts = model.get("counts");
    const open = question.number !== undefined;
    const decided = counts.A + counts.B + counts.tie + counts.skip;
    for (const box of [left.box, right.box]) box.hidden = !open;
    const done = `All ${counts.total} pairs are decided. Undo the last one, or ask Python for more: label(count=...).`;
    const after = question.prompt ? ` After “${question.prompt}”` : "";
    ask.textContent = open ? `${model.get("ask")}${after}` : done;
    left.text.textContent = question.left ?? "";
    right.text.textContent = question.right ?? "";
    fill.style.width = `${(100 * decided) / Math.max(1, counts.total)}%`;
    for (const [name, value] of [["min", 0], ["max", counts.total], ["now", decided]]) {
      bar.setAttribute(`aria-value${name}`, value);
    }
    const rest = [];
    if (counts.tie) rest.push(`${counts.tie} without difference`);
    if (counts.skip) rest.push(`${counts.skip} skipped`);
    const also = rest.join(", ");
    count.textContent = `${decided} of ${counts.total} decided${also ? ` (${also})` : ""}`;
    desk.dataset.number = question.number ?? "none";
    shownAt = performance.now();
  }
  function answered() { // `saved` counts what the kernel has written
    waiting = null;
    clearTimeout(alarm);
    desk.classList.remove("rl-waiting");
    drawQuestion();
    drawMessage();
  }
  function drawReport() {
    const rows = model.get("report");
    const place = (value) => 60 + 55 * Math.max(-1, Math.min(1, value));
    const number = (value) => (value === null ? "–" : fixed(2)(value));
    const picture = ({ kappa, low, high }) => {
      const line = (x0, x1, w, opacity) =>
        node("path", { d: `M${x0},9H${x1}`, stroke: colourOf("proxy"), "stroke-width": w, opacity });
      const axis = node("path", { d: "M5,9H115M60,3V15", stroke: colourOf("quiet"), "stroke-width": 1, fill: "none" });
      const range = low === null ? null : line(place(low), place(high), 6, 0.45);
      const dot = (x) => node("path", { d: MARKERS.o(x, 9, 4.5), fill: colourOf("proxy") });
      const middle = kappa === null ? null : dot(place(kappa));
      return node("svg", { viewBox: "0 0 120 18", "aria-hidden": "true", class: "rl-whisker" }, axis, range, middle);
    };
    const cells = (row) => {
      const agree = row.percent === null ? "–" : percent(row.percent, 0);
      const interval = row.low === null ? "–" : `${number(row.low)} to ${number(row.high)}`;
      return [row.who, String(row.pairs), agree, number(row.kappa), interval, picture(row)];
    };
    const head = ["", "pairs", "agree", "Cohen's kappa", "95 % interval", "kappa from −1 to 1"];
    report.replaceChildren(...(rows.length ? [table(head, rows.map(cells))] : []));
  }
  const drawRules = () => {
    rules.textContent = model.get("guidelines");
  };
  const drawMessage = () => say(model.get("message"));
  function hear(content) {
    if (content.do !== "file") return;
    const link = node("a", {
      href: URL.createObjectURL(new Blob([content.text], { type: "application/jsonl" })),
      download: content.name,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  const watched = {
    "change:saved": answered,
    "change:report": drawReport,
    "change:guidelines": drawRules,
    "change:message": drawMessage,
    "msg:custom": hear,
  };
  for (const [name, act] of Object.entries(watched)) model.on(name, act);
  drawQuestion();
  drawReport();
  drawRules();
  drawMessage();
  return () => {
    clearTimeout(alarm);
    for (const [name, act] of Object.entries(watched)) model.off(name, act);
  };
}

export default { render };
