// The live dashboard: one small plot per metric, what the policy writes, the time left, and three buttons.
// Leaves out the loop: Python runs it and sends what there is, at most four times a second.

const short = (name) => name.split("/").at(-1);

// An axis with room for these values.
function rangeOf(values) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (!values.length || (low === 0 && high === 0)) {
    low = 0;
    high = 1;
  }
  const room = 0.08 * (high - low) || 0.1 * Math.abs(high);
  return { min: low - room, max: high + room };
}

function render({ model, el }) {
  const title = model.get("title");
  begin(el, title);
  const fill = node("span");
  const bar = node(
    "div",
    { class: "rl-bar", role: "progressbar", "aria-valuemin": 0, "aria-label": "iterations" },
    fill,
  );
  const state = node("strong", { role: "status", class: "rl-status" });
  const clock = node("span", { class: "rl-quiet rl-clock" });
  const tell = (what) => () => model.send({ do: what });
  const start = button("start", tell("start"), { class: "rl-main rl-start" });
  const pause = button("pause", tell("pause"), { class: "rl-pause" });
  const stop = button("stop", tell("stop"), { class: "rl-stop" });
  const wrong = node("p", { class: "rl-warning", role: "alert" });
  // what diagnose() says of the curves so far
  const said = node("ul", { class: "rl-warning rl-findings", role: "status" });
  const deaf = node(
    "p",
    { class: "rl-quiet rl-deaf" },
    "A cell waits for the end of this run, and no button is heard until then: to stop it, interrupt the kernel.",
  );
  const grid = node("div", { class: "rl-panels" });
  const panels = new Map(); // title -> its plot and the text of its newest values
  const words = node("div", { class: "rl-samples" });
  const list = node("ol");
  const which = node("output");
  const past = node("input", {
    type: "range",
    min: 0,
    max: 0,
    step: 1,
    value: 0,
    "aria-label": "samples after iteration",
    ...KEYS,
  });
  let follow = true; // the newest samples, until the reader looks back
  past.addEventListener("input", () => {
    follow = past.value === past.max;
    drawSamples();
  });
  words.append(
    node("h4", {}, "The policy now"),
    node("p", { class: "rl-quiet rl-prompt" }),
    list,
    node("div", { class: "rl-control" }, node("span", {}, "look back"), past, which),
  );
  el.append(node("div", { class: "rl-row" }, start, pause, stop, state, clock), deaf, bar, wrong, said, grid, words);

  const time = (seconds) => (seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`);
  function drawProgress() {
    const { status, waiting, waited, step, steps, seconds, left, error, findings } = model.get("progress");
    const asked = { pause: "pausing after this iteration", stop: "stopping after this iteration" }[waiting];
    const words = {
      ready: "not started",
      running: step ? "running" : "starting: the first iteration compiles",
      paused: "paused",
      stopped: "stopped",
      finished: "finished",
      failed: "failed",
    };
    state.textContent = asked ?? words[status];
    el.dataset.status = status;
    el.dataset.step = step;
    const eta = left !== null && status !== "finished" && status !== "stopped" ? `, about ${time(left)} left` : "";
    clock.textContent = step ? `iteration ${step}${steps ? ` of ${steps}` : ""}, ${time(seconds)}${eta}` : "";
    fill.style.width = steps ? `${(100 * step) / steps}%` : "0";
    bar.setAttribute("aria-valuemax", steps);
    bar.setAttribute("aria-valuenow", step);
    const over = ["stopped", "finished", "failed"].includes(status);
    start.textContent = status === "paused" || waiting === "pause" ? "resume" : "start";
    // Never `disabled`: a button that loses its focus leaves whoever works by keyboard nowhere.
    const switchOff = (control, off) => control.setAttribute("aria-disabled", Boolean(off));
    switchOff(start, status !== "ready" && status !== "paused" && waiting !== "pause");
    switchOff(pause, status !== "running" || waiting);
    switchOff(stop, over || status === "ready" || waiting === "stop");
    wrong.hidden = !error;
    wrong.textContent = error;
    deaf.hidden = !waited || over;
    said.hidden = !findings?.length;
    if (said.textContent !== findings?.join("")) {
      said.replaceChildren(...(findings ?? []).map((sentence) => node("li", {}, sentence)));
    }
  }

  // The newest curves as { step, of(name) }, or null before the first.
  function curves() {
    const names = model.get("names");
    const data = model.get("data");
    if (!names.length || !data?.byteLength) return null;
    const all = floats(data);
    const points = all.length / names.length;
    const row = (i) => all.subarray(i * points, (i + 1) * points);
    return { step: row(0), of: (name) => row(names.indexOf(name)) };
  }
  function addPanel({ title, names, roles }) {
    const picture = plot({
      width: 290,
      height: 170,
      left: 44,
      right: 12,
      top: 8,
      bottom: 26,
      x: { min: 1, max: 2, count: 4 },
      y: { min: 0, max: 1, count: 4 },
      label: title,
    });
    const values = node("span", { class: "rl-now" });
    const keys = names.length > 1 ? legend(names.map((name, i) => ({ role: roles[i], text: short(name) }))) : null;
    grid.append(node("div", { class: "rl-panel" }, node("h4", {}, title, values), picture.node, keys));
    panels.set(title, { picture, values });
  }
  function drawPanels() {
    const newest = curves();
    if (!newest) return;
    const steps = model.get("progress").steps;
    const far = 40 * 2 ** Math.max(0, Math.ceil(Math.log2(newest.step.at(-1) / 38))); // doubles as a long run goes on
    for (const panel of model.get("panels")) {
      if (!panels.has(panel.title)) addPanel(panel);
      drawPanel(panel, newest, Math.min(Math.max(2, steps || Infinity), far));
    }
  }
  function drawPanel({ title, names, roles }, { step, of }, furthest) {
    const { picture, values } = panels.get(title);
    const series = names.map((name) => of(name));
    picture.axes({ x: { min: 1, max: furthest }, y: rangeOf(series.flatMap((y) => [...y]).filter(Number.isFinite)) });
    series.forEach((y, i) => {
      picture.line(names[i], Array.from(y, (value, k) => [step[k], value]), { role: roles[i] });
      picture.dots(`${names[i]} now`, [[step.at(-1), y.at(-1)]], { role: roles[i], r: 3.5 });
    });
    const digits = (value) => fixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)(value);
    values.textContent = series.map((y) => digits(y.at(-1))).join(" / ");
    const change = (name, i) => `${short(name)} ${digits(series[i][0])} at first, ${digits(series[i].at(-1))}`;
    picture.say(`${names.map(change).join("; ")} after ${step.at(-1)} iterations`);
  }
  function drawSamples() {
    const samples = model.get("samples");
    words.hidden = !samples.length;
    if (!samples.length) return;
    past.max = samples.length - 1;
    if (follow) past.value = past.max;
    const { step, texts } = samples[Math.min(samples.length - 1, Number(past.value))];
    which.textContent = `after ${step}`;
    past.setAttribute("aria-valuetext", `iteration ${step}`);
    words.querySelector(".rl-prompt").textContent = model.get("prompt") ? `${model.get("prompt")} ...` : "";
    words.querySelector("h4").textContent = follow ? "The policy now" : "The policy then";
    list.replaceChildren(...texts.map((text) => node("li", {}, text)));
  }
  for (const [control, what] of [[start, "start"], [pause, "pause"], [stop, "stop"]]) control.dataset.do = what;
  el.addEventListener("click", (event) => {
    if (event.target.getAttribute?.("aria-disabled") === "true") event.stopImmediatePropagation();
  }, true);
  const ends = [
    redrawOn(model, ["progress"], drawProgress),
    redrawOn(model, ["data", "panels", "names"], drawPanels),
    redrawOn(model, ["samples", "prompt"], drawSamples),
  ];
  return () => ends.forEach((end) => end());
}

export default { render };
