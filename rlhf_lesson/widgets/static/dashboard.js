// The live dashboard: one small plot a metric, what the policy writes, the time left, and three buttons.
// Leaves out the loop: Python runs it and sends what there is, at most four times a second.

function render({ model, el }) {
  const title = model.get("title");
  begin(el, title);
  const fill = node("span"),
    bar = node("div", { class: "rl-bar", role: "progressbar", "aria-valuemin": 0, "aria-label": "iterations" }, fill);
  const state = node("strong", { role: "status", class: "rl-status" }),
    clock = node("span", { class: "rl-quiet rl-clock" });
  const tell = (what) => () => model.send({ do: what });
  const start = button("start", tell("start"), { class: "rl-main rl-start" });
  const pause = button("pause", tell("pause"), { class: "rl-pause" });
  const stop = button("stop", tell("stop"), { class: "rl-stop" });
  const wrong = node("p", { class: "rl-warning", role: "alert" });
  const grid = node("div", { class: "rl-panels" }), drawn = new Map();
  const words = node("div", { class: "rl-samples" }), list = node("ol"), which = node("output");
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
  el.append(node("div", { class: "rl-row" }, start, pause, stop, state, clock), bar, wrong, grid, words);

  const time = (seconds) => (seconds >= 90 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`);
  function drawProgress() {
    const { status, waiting, step, steps, seconds, left, error } = model.get("progress");
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
    for (
      const [control, off] of [[start, status !== "ready" && status !== "paused" && waiting !== "pause"], [
        pause,
        status !== "running" || waiting,
      ], [stop, over || status === "ready" || waiting === "stop"]]
    ) {
      control.setAttribute("aria-disabled", Boolean(off));
    }
    wrong.hidden = !error;
    wrong.textContent = error;
  }

  function curves() {
    const names = model.get("names"), data = model.get("data");
    if (!names.length || !data?.byteLength) return null;
    const all = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength));
    const points = all.length / names.length;
    return {
      step: all.subarray(0, points),
      of: (name) => all.subarray(names.indexOf(name) * points, (names.indexOf(name) + 1) * points),
    };
  }
  function drawPanels() {
    const found = curves();
    if (!found) return;
    const steps = model.get("progress").steps, last = found.step.length - 1;
    const far = 40 * 2 ** Math.max(0, Math.ceil(Math.log2(found.step[last] / 38))); // the axis doubles as a long run goes on
    for (const { title: name, names, roles } of model.get("panels")) {
      const short = (n) => n.split("/").at(-1);
      if (!drawn.has(name)) {
        const made = plot({
          width: 290,
          height: 170,
          left: 44,
          right: 12,
          top: 8,
          bottom: 26,
          x: { min: 1, max: 2, count: 4 },
          y: { min: 0, max: 1, count: 4 },
          label: name,
        });
        const values = node("span", { class: "rl-now" });
        grid.append(
          node(
            "div",
            { class: "rl-panel" },
            node("h4", {}, name, values),
            made.node,
            names.length > 1 ? legend(names.map((n, i) => ({ role: roles[i], text: short(n) }))) : null,
          ),
        );
        drawn.set(name, { made, values });
      }
      const { made, values } = drawn.get(name);
      const series = names.map((n) => found.of(n));
      const all = series.flatMap((y) => [...y]).filter(Number.isFinite);
      let low = Math.min(...all), high = Math.max(...all);
      if (!all.length || (low === 0 && high === 0)) [low, high] = [0, 1];
      const room = 0.08 * (high - low) || 0.1 * Math.abs(high);
      made.axes({
        x: { min: 1, max: Math.min(Math.max(2, steps || Infinity), far) },
        y: { min: low - room, max: high + room },
      });
      series.forEach((y, i) => {
        made.line(names[i], Array.from(y, (value, k) => [found.step[k], value]), { role: roles[i] });
        made.dots(`${names[i]} now`, [[found.step[last], y[last]]], { role: roles[i], r: 3.5 });
      });
      const digits = (value) => fixed(Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)(value);
      values.textContent = series.map((y) => digits(y[last])).join(" / ");
      made.say(
        `${
          names.map((n, i) => `${short(n)} ${digits(series[i][0])} at first, ${digits(series[i][last])}`).join("; ")
        } after ${found.step[last]} iterations`,
      );
    }
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
