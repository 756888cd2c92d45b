// The simulator's two pictures: score against KL, and how the responses' scores shift.
// `sim` is what simulator.js puts together: { model, pool, policies, picture, shift, ... }.

const ROOT_TICKS = [0, 0.1, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300];

const emptyFrontier = () =>
  plot({
    width: 900,
    height: 380,
    left: 52,
    x: { min: 0, max: 10, label: WORDS.kl },
    y: { min: -1, max: 3, label: WORDS.score },
    label: "Reward against KL",
  });
const frontierKeys = () =>
  legend([
    { role: "proxy", text: "proxy" },
    { role: "gold", text: "gold" },
    { colour: "quiet", width: 4.5, text: "thick: the optimum, in closed form" },
    { colour: "quiet", kind: "mark", marker: "s", text: "marks: best of n" },
    { colour: "quiet", dash: "1 0", width: 1.1, text: "thin: PPO, a line a seed" },
    { colour: "quiet", kind: "mark", marker: "x", text: "crosses: PPO live" },
    { colour: "policy", kind: "mark", marker: "D", text: "this β" },
    { colour: "second", kind: "mark", marker: "o", text: "this n" },
  ]);
const emptyShift = () =>
  plot({
    width: 430,
    height: 230,
    left: 58,
    x: { min: -4, max: 4, label: "proxy score of a response", format: signed(0) },
    y: { min: 0, max: 0.2, label: "share of responses" },
    label: "How the responses shift",
  });
const shiftKeys = () =>
  legend([
    { colour: "quiet", kind: "bar", text: "reference" },
    { colour: "policy", dash: "", text: "optimum" },
    { colour: "second", dash: "7 4", text: "best of n" },
  ]);

const shownRoles = (model) => SCORERS.slice(0, model.get("judge") ? 3 : 2);
const furthestKl = (points) => Math.max(...points.map((point) => point.kl));

// ---- Score against KL: everything that stays while the sliders of beta and n move. ----
function drawScene(sim) {
  const { model, policies } = sim;
  const traits = ["judge", "root", ...Object.keys(RUN_FILTERS)].map((name) => model.get(name));
  const key = [policies.place(), model.get("points").length, ...traits].join("|");
  if (sim.sceneKey === key) return;
  sim.sceneKey = key;
  const scene = {
    roles: shownRoles(model),
    curve: policies.frontier(),
    marks: policies.powers(),
    runs: shownRuns(model).map(pointsOf),
    live: model.get("points"),
  };
  const ends = setAxes(sim, scene);
  sim.picture.drop((name) => /^(run|live|curve|thin|best|label) /.test(name));
  sim.picture.rule("zero", { y: 0 });
  const sure = scene.curve.filter((point) => point.ess >= model.get("enough"));
  drawUnsure(sim, furthestKl(sure), furthestKl(scene.curve), ends);
  for (const role of scene.roles) drawRole(sim, scene, sure, role);
  labelMarks(sim.picture, scene.marks);
}

// Axes with room for every point; returns both ends of the y axis.
function setAxes({ model, pool, picture }, { roles, curve, marks, runs, live }) {
  const all = [...curve, ...marks, ...live, ...runs.flat()];
  const furthest = 1.04 * furthestKl(all);
  const heights = all.flatMap((point) => roles.map((role) => heightOf(pool, point, role)));
  const low = Math.min(...heights);
  const high = Math.max(...heights);
  const room = 0.09 * (high - low);
  const y = { min: low - room, max: high + 1.6 * room };
  const linear = { scale: "linear", ticks: null, label: WORDS.kl };
  const root = {
    scale: "sqrt",
    ticks: ROOT_TICKS.filter((tick) => tick <= 2 || tick < furthest),
    label: `${WORDS.kl}, square-root axis`,
  };
  picture.axes({ x: { min: 0, max: furthest, ...(model.get("root") ? root : linear) }, y });
  return [y.min, y.max];
}

// Shades the distances at which too few responses carry the weight, from `start` on.
function drawUnsure({ model, picture }, start, end, [low, high]) {
  const known = end > start;
  const corners = [[start, low], [start, high], [end, high], [end, low]];
  const middle = model.get("root") ? ((Math.sqrt(start) + Math.sqrt(end)) / 2) ** 2 : (start + end) / 2;
  const words = known ? "pool too small" : "";
  picture.band("unsure", known ? corners : [], { colour: "quiet", opacity: 0.1 });
  picture.text("unsure words", known ? middle : 0, high, words, { colour: "quiet", dy: 14, size: 11 });
}

// The optimum, best of n, measured and live PPO as one scorer sees them; `sure` is the trusted part of the optimum.
function drawRole({ pool, picture }, { curve, marks, runs, live }, sure, role) {
  const places = (points) => points.map((point) => [point.kl, heightOf(pool, point, role)]);
  runs.forEach((run, i) => picture.line(`run ${i} ${role}`, places(run), { role, width: 1.1, opacity: 0.55 }));
  picture.line(`thin ${role}`, places(curve), { role, width: 2, opacity: 0.6 });
  picture.line(`curve ${role}`, places(sure), { role, width: 4 });
  picture.dots(`best ${role}`, places(marks), { role, r: 4 });
  for (const run of unique(live.map((point) => point.run))) {
    const mine = live.filter((point) => point.run === run);
    picture.line(`live ${run} ${role} line`, places(mine), { role, width: 1.2, dash: "" });
  }
  picture.dots(`live ${role}`, places(live), { role, marker: "x", r: 4 });
}

function labelMarks(picture, marks) {
  const look = { dy: -9, size: 10, colour: "quiet" };
  for (const { n, kl, proxy } of marks.filter((_, k) => k % 2 === 0)) {
    if (n === 1) picture.text("label 1", kl, proxy, "n = 1", { ...look, dx: 4, anchor: "start" });
    else picture.text(`label ${n}`, kl, proxy, grouped(n), look);
  }
}

// ---- Score against KL: this beta and this n. ----
function drawNow({ model, pool, picture }, { now, best }) {
  const roles = shownRoles(model);
  picture.drop((name) => roles.length < 3 && /^(now|mine) judge/.test(name));
  for (const role of roles) {
    const place = (point) => [point.kl, heightOf(pool, point, role)];
    picture.dots(`mine ${role}`, [place(best)], { colour: "second", marker: "o", r: 5.5 });
    picture.dots(`now ${role}`, [place(now)], { role: "policy", r: 6.5 });
  }
  const look = { dy: -13, dx: 4, weight: 600, anchor: now.kl < 0.3 ? "start" : "middle" };
  picture.text("now words", now.kl, now.proxy, `β = ${betaText(model.get("beta"))}`, look);
}

// ---- The histogram of the proxy's scores. ----
function drawShift({ shift, policies }, lists) {
  const [reference, now, best] = [lists.reference, lists.now, lists.best].map(policies.shares);
  const most = Math.max(...reference, ...now, ...best);
  const steps = (mass) => [...mass].flatMap((height, i) => [[BINS[i], height], [BINS[i + 1], height]]);
  const bars = [...reference].map((height, i) => [BINS[i], BINS[i + 1], height]);
  shift.axes({ y: { max: Math.max(0.2, Math.ceil(10.5 * most) / 10) } });
  shift.bars("ref", bars, { colour: "quiet", opacity: 0.45 });
  shift.line("best", steps(best), { colour: "second", dash: "7 4", width: 1.8 });
  shift.line("mine", steps(now), { colour: "policy", dash: "", width: 2.4 });
}
