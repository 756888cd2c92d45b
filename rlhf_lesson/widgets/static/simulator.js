// The KL-against-reward simulator: a pool of real responses, re-weighted in the browser. Three parts stand in front of
// this file: simulator_maths.js has the equations, simulator_points.js the points of the present setting, and
// simulator_pictures.js the pictures. No PPO runs here: measured runs come with the widget, live ones from Python.

const short = (value) => (value === null ? "any" : String(Number(value.toPrecision(2))));
const betaText = (beta) => (beta === null ? "∞" : fixed(beta < 0.1 ? 3 : beta < 10 ? 2 : 1)(beta));
const grouped = (count) => String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");

function render({ model, el }) {
  begin(el, "KL against reward: the simulator");
  const waiting = node("p", { class: "rl-quiet" }, "Unpacking the responses ...");
  el.append(waiting);
  let ended = false;
  let end = () => {
    ended = true;
  };
  maths.unpack(bytesOf(model.get("packed"))).then(
    (pool) => {
      waiting.remove();
      if (!ended) end = build(model, el, pool);
    },
    (error) => {
      waiting.textContent = `The responses could not be unpacked: ${error}`;
    },
  );
  return () => end();
}

function build(model, el, pool) {
  const sim = {
    model,
    el,
    pool,
    policies: policiesOf(model, pool),
    picture: emptyFrontier(),
    shift: emptyShift(),
    out: outputs(),
    live: model.get("can_train") ? liveControls(model) : null,
  };
  layOut(sim);
  const filters = Object.keys(RUN_FILTERS);
  const traits = ["beta", "n", "prompt", "pairs", "noise", "root", "judge", ...filters, "draws", "points"];
  const ends = [
    redrawOn(model, traits, () => draw(sim)),
    redrawOn(model, ["progress", "points", "beta"], () => drawLive(sim)),
  ];
  return () => ends.forEach((end) => end());
}

// What the numbers and sentences are written into.
const outputs = () => ({
  words: says(),
  trust: node("p", { class: "rl-ess", role: "status" }),
  numbers: node("div", { class: "rl-numbers" }),
  favourites: node("div", { class: "rl-leaders" }),
  cards: node("div", { class: "rl-cards", "aria-live": "polite" }),
  runCount: node("output", { class: "rl-quiet rl-count" }),
});

function layOut({ model, el, pool, picture, shift, out, live }) {
  const generate = button("Generate response", () => put(model, "draws", model.get("draws") + 1), {
    class: "rl-main rl-generate",
  });
  const hint = node("span", { class: "rl-quiet" }, "one response of each policy, drawn at the present setting");
  el.append(
    node("div", { class: "rl-columns" }, betaSlider(model), nSlider(model, pool)),
    poolControls(model, pool),
    node("div", { class: "rl-row" }, runFilters(model, out.runCount)),
    node(
      "div",
      { class: "rl-row" },
      toggle(model, "root", { label: "square-root axis of KL" }),
      toggle(model, "judge", { label: "judge too" }),
    ),
    picture.node,
    frontierKeys(),
    out.words,
    out.trust,
    live?.row ?? node("p", { class: "rl-quiet" }, "Training live needs Python: open the notebook for that."),
    node(
      "div",
      { class: "rl-columns rl-below" },
      node("div", {}, shift.node, shiftKeys()),
      node("div", {}, out.numbers, out.favourites),
    ),
    node("div", { class: "rl-row" }, generate, hint),
    out.cards,
  );
}

// ---- What can be chosen. ----
// The same trait on another scale, for a slider.
const rescaled = (model, name, from, to) => ({
  get: () => from(model.get(name)),
  set: (_, value) => model.set(name, to(value)),
  on: (event, listener) => model.on(event, listener),
  save_changes: () => model.save_changes(),
});

// One step beyond the largest beta the slider says infinity, which Python calls None.
function betaSlider(model) {
  const betas = model.get("betas");
  const largest = betas.at(-1);
  const beyond = largest * (largest / betas.at(-2));
  const isInfinite = (place) => place > largest * 1.01;
  const trait = rescaled(model, "beta", (beta) => beta ?? beyond, (place) => (isInfinite(place) ? null : place));
  return slider(trait, "beta", {
    label: "β, price of a nat",
    min: betas[0],
    max: beyond,
    step: 0.05,
    log: true,
    format: (place) => (isInfinite(place) ? "∞" : betaText(place)),
  });
}

function nSlider(model, pool) {
  return slider(rescaled(model, "n", Math.log2, (k) => Math.round(2 ** k)), "n", {
    label: "n of best-of-n",
    min: 0,
    max: Math.log2(pool.size),
    step: 1,
    format: (k) => grouped(2 ** k),
  });
}

function poolControls(model, pool) {
  const all = [-1, `mean over all ${pool.prompts.length}`];
  const prompts = [all, ...pool.prompts.map((text, i) => [i, `${text} ...`])];
  const pairs = unique(pool.proxies.map((proxy) => proxy.pairs)).map((count) => [count, grouped(count)]);
  const noises = unique(pool.proxies.map((proxy) => proxy.noise)).map((share) => [share, percent(share, 0)]);
  return node(
    "div",
    { class: "rl-row" },
    select(model, "prompt", { label: "prompt", options: prompts }),
    select(model, "pairs", { label: "labelled pairs behind the proxy", options: pairs }),
    select(model, "noise", { label: "labels turned round", options: noises }),
  );
}

function runFilters(model, runCount) {
  const labels = { run_beta: "β", run_rate: "learning rate", run_clip: "clip" };
  const filter = ([trait, key]) => {
    const values = [null, ...unique(model.get("runs").map((run) => run[key]))];
    return select(model, trait, { label: labels[trait], options: values.map((value) => [value, short(value)]) });
  };
  const title = node("legend", {}, "measured PPO runs:");
  return node("fieldset", {}, title, Object.entries(RUN_FILTERS).map(filter), runCount);
}

// ---- The pictures and their words. ----
function draw(sim) {
  drawScene(sim);
  countRuns(sim);
  const { model, policies, out } = sim;
  const lists = { // one point per chosen prompt
    reference: policies.reference(),
    now: policies.optimum(model.get("beta")),
    best: policies.best(model.get("n")),
  };
  const means = {
    reference: maths.meanPoint(lists.reference),
    now: maths.meanPoint(lists.now),
    best: maths.meanPoint(lists.best),
  };
  drawNow(sim, means);
  drawShift(sim, lists);
  sayTrust(sim, means.now);
  out.words.textContent = summary(model, means);
  out.numbers.replaceChildren(numbersTable(model, means));
  out.favourites.replaceChildren(favouritesTable(sim, lists.now));
  describe(sim, means);
  out.cards.replaceChildren(...cards(sim, lists));
  const { kl, proxy, gold, ess } = means.now;
  const setting = { beta: betaText(model.get("beta")), n: model.get("n") };
  Object.assign(sim.el.dataset, { ready: "true", ...setting, kl, proxy, gold, ess });
}

function countRuns({ model, out }) {
  const count = shownRuns(model).length;
  const pairs = grouped(model.get("clean").pairs);
  if (!model.get("runs").length) out.runCount.textContent = "none are shipped";
  else if (!isClean(model)) {
    out.runCount.textContent = `these optimised the proxy of ${pairs} clean pairs: choose it to see them`;
  } else out.runCount.textContent = count ? `${count} shown` : `none measured with these three${otherRuns(model)}`;
}

// With which learning rate and clip the chosen beta was measured.
function otherRuns(model) {
  const runs = model.get("runs").filter((run) => run.beta === model.get("run_beta"));
  const pairs = new Set(runs.map((run) => `learning rate ${short(run.rate)} and clip ${short(run.clip)}`));
  return pairs.size ? `; this β was, with ${[...pairs].join(" or ")}` : "";
}

function sayTrust({ model, pool, policies, out }, now) {
  const isThin = now.ess < model.get("enough");
  const weakest = policies.chosen().length > 1 ? " for the weakest prompt" : "";
  const basis = `about ${grouped(now.ess)} of ${grouped(pool.size)} responses${weakest}`;
  const limit = fixed(1)(Math.log(pool.size));
  out.trust.classList.toggle("rl-warning", isThin);
  out.trust.textContent = isThin
    ? `The pool is too small for this β: all the weight rests on ${basis}. ` +
      "The true optimum is further away, and better by the proxy, than these numbers say; " +
      `no pool of this size shows more than ${limit} nats.`
    : `These numbers rest on ${basis}, which is enough.`;
}

function summary(model, { reference, now, best }) {
  const nats = (point) => `${fixed(2)(point.kl)} nats`;
  const gain = (point, scorer) => signed(2)(point[scorer] - reference[scorer]);
  return `At β = ${betaText(model.get("beta"))} the best policy is ${nats(now)} from the reference ` +
    `and changes its proxy score by ${gain(now, "proxy")}, its gold score by ${gain(now, "gold")}. ` +
    `Best of ${grouped(model.get("n"))}: ${nats(best)}, ` +
    `proxy by ${gain(best, "proxy")}, gold by ${gain(best, "gold")}.`;
}

function numbersTable(model, { reference, now, best }) {
  const row = (name, { kl, proxy, gold, judge, ess }) => {
    return [name, fixed(2)(kl), signed(2)(proxy), signed(2)(gold), signed(2)(judge), grouped(ess)];
  };
  const rows = [row("reference", reference), row("optimum", now), row(`best of ${grouped(model.get("n"))}`, best)];
  return table(["policy", "KL", "proxy", "gold", "judge", "rests on"], rows);
}

function favouritesTable({ pool, policies }, now) {
  const row = ({ k, text, rows }) => {
    const { p } = now[k];
    const digits = p[rows[0]] * rows.length > 0.1 ? 0 : 2;
    return [text, percent(rows.length / pool.size, 2), percent(sum(rows.map((i) => p[i])), digits)];
  };
  return table(["what this proxy likes best", "reference", "optimum"], policies.favourites().map(row));
}

// What the pictures show, for who cannot see them.
function describe({ model, picture, shift }, { reference, now, best }) {
  const beta = betaText(model.get("beta"));
  const n = grouped(model.get("n"));
  const scores = ({ proxy, gold }) => `proxy ${fixed(2)(proxy)}, gold ${fixed(2)(gold)}`;
  picture.say(
    `at β = ${beta}: KL ${fixed(2)(now.kl)} nats, ${scores(now)}; ` +
      `best of ${n}: KL ${fixed(2)(best.kl)}, ${scores(best)}`,
  );
  shift.say(
    `mean proxy score ${fixed(2)(reference.proxy)} under the reference, ` +
      `${fixed(2)(now.proxy)} under the optimum, ${fixed(2)(best.proxy)} under best of ${n}`,
  );
}

// One response of each policy to one prompt. The luck is the same at every redraw until the button is pressed.
function cards({ model, pool, policies }, { reference, now, best }) {
  const luck = maths.random(model.get("draws"));
  const k = Math.floor(luck() * policies.chosen().length);
  const prompt = policies.chosen()[k];
  const order = policies.orders()[prompt];
  const card = (title, { p }) => {
    const i = order[maths.pick(Array.from(order, (j) => p[j]), luck())];
    const score = (column) => signed(2)(pool.scores[column][prompt][i]);
    const nats = signed(2)(Math.log(p[i] * pool.size));
    const facts = `proxy ${score(policies.proxy())}, gold ${score("gold")}, judge ${score("judge")}; ${nats} nats`;
    const text = node("p", {}, node("b", {}, pool.prompts[prompt]), pool.texts[prompt][i]);
    const small = node("p", { class: "rl-quiet" }, facts);
    return node("section", { "aria-label": title }, node("h4", {}, title), text, small);
  };
  return [
    card("reference", reference[k]),
    card(`optimum at β = ${betaText(model.get("beta"))}`, now[k]),
    card(`best of ${grouped(model.get("n"))}`, best[k]),
  ];
}

// ---- PPO live: Python trains, this shows how far it is. ----
function liveControls(model) {
  const ask = (what) => ({ target }) => {
    if (target.getAttribute("aria-disabled") !== "true") model.send({ do: what });
  };
  const train = button("Train live", ask("train"), { class: "rl-train" });
  const stop = button("Stop", ask("stop"), { class: "rl-stop" });
  const state = node("span", { role: "status", class: "rl-live" });
  const fill = node("span");
  const bar = node(
    "div",
    { class: "rl-bar", role: "progressbar", "aria-label": "live PPO", "aria-valuemin": 0 },
    fill,
  );
  return { train, stop, state, fill, bar, row: node("div", { class: "rl-row" }, train, stop, state, bar) };
}

function drawLive({ model, el, live }) {
  const progress = model.get("progress");
  const { status, step = 0 } = progress;
  if (live) drawControls(live, progress, model.get("beta"));
  Object.assign(el.dataset, { live: status, step, points: model.get("points").length });
}

function drawControls({ train, stop, state, fill, bar }, progress, beta) {
  const { status, step = 0, steps = 0 } = progress;
  const isBusy = ["running", "stopping", "paused"].includes(status);
  train.textContent = isBusy ? "Train live" : `Train live at β = ${betaText(beta)}`;
  train.setAttribute("aria-disabled", String(isBusy || beta === null));
  stop.setAttribute("aria-disabled", String(status !== "running"));
  fill.style.width = steps ? `${(100 * step) / steps}%` : "0";
  bar.setAttribute("aria-valuemax", steps);
  bar.setAttribute("aria-valuenow", step);
  state.textContent = stateWords(progress, beta);
  state.classList.toggle("rl-warning", status === "failed");
}

function stateWords({ status, doing = "", step = 0, steps = 0, left, error }, beta) {
  const at = steps ? ` ${step} of ${steps}` : "";
  const clock = left ? `, about ${Math.ceil(left)} s left` : "";
  const words = {
    ready: beta === null ? "at β = ∞ there is nothing to learn" : "real PPO, in the background",
    running: `${doing || "starting"}${at}${clock}`,
    stopping: "stopping after this iteration",
    stopped: `stopped after ${step} iterations`,
    finished: "finished",
    failed: error,
  };
  return words[status] ?? status;
}

export default { render, maths };
