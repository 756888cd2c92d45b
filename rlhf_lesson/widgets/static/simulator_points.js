// What the present setting means in numbers: the chosen prompts and proxy, and where each policy stands on them.
// A point is { kl, proxy, gold, judge, ess }; ess is the number of responses that it effectively rests on.

const SCORERS = ["proxy", "gold", "judge"];
const RUN_FILTERS = { run_beta: "beta", run_rate: "rate", run_clip: "clip" }; // trait -> key of a measured run
const BINS = Array.from({ length: 33 }, (_, i) => -4 + i / 4); // edges of the histogram's bars, in proxy score
const LAST_BIN = BINS.length - 2;
const binOf = (score) => Math.min(LAST_BIN, Math.max(0, Math.floor((score + 4) * 4)));
const unique = (values) => [...new Set(values)].sort((a, b) => a - b);

// The policies of the present setting. What the sliders of beta and n do not touch is computed once and kept.
function policiesOf(model, pool) {
  const kept = {}; // name -> { key, value }
  const keep = (name, key, compute) => {
    if (kept[name]?.key !== key) kept[name] = { key, value: compute() };
    return kept[name].value;
  };
  const chosen = () => (model.get("prompt") < 0 ? [...pool.prompts.keys()] : [model.get("prompt")]);
  const proxy = () => maths.column({ pairs: model.get("pairs"), noise: model.get("noise") });
  const place = () => `${model.get("prompt")} ${proxy()}`;
  const orders = () => keep("orders", proxy(), () => pool.scores[proxy()].map(maths.order));
  const bins = () => keep("bins", proxy(), () => pool.scores[proxy()].map((score) => Uint8Array.from(score, binOf)));

  // Policies as lists of points, one per chosen prompt; beta = null is the reference.
  const optimum = (beta) => chosen().map((prompt) => maths.optimumPoint(pool, prompt, proxy(), beta ?? Infinity));
  const best = (n) => chosen().map((prompt) => maths.bestPoint(pool, prompt, proxy(), orders()[prompt], n));
  const powersOfTwo = Array.from({ length: Math.floor(Math.log2(pool.size)) + 1 }, (_, k) => 2 ** k);
  const curve = () => [...model.get("betas"), null].map((beta) => maths.meanPoint(optimum(beta)));
  const marks = () => powersOfTwo.map((n) => ({ n, ...maths.meanPoint(best(n)) }));
  return {
    chosen,
    proxy,
    place,
    orders,
    optimum,
    best: (n) => keep("best", `${place()} ${n}`, () => best(n)),
    reference: () => keep("reference", place(), () => optimum(null)),
    frontier: () => keep("frontier", place(), curve), // means over the chosen prompts, up to beta = infinity
    powers: () => keep("powers", place(), marks), // the same for best of 1, 2, 4, ...
    favourites: () => keep("favourites", place(), () => favourites(pool, chosen(), orders())),
    // Share of a policy's responses in each bin of the proxy's score.
    shares(policy) {
      const mass = new Float64Array(LAST_BIN + 1);
      policy.forEach(({ p }, k) => {
        const bin = bins()[chosen()[k]];
        for (let i = 0; i < p.length; i += 1) mass[bin[i]] += p[i] / policy.length;
      });
      return mass;
    },
  };
}

// The different responses that the proxy likes best: of one prompt the first four, else the first of four prompts.
function favourites(pool, prompts, orders) {
  const each = prompts.length > 1 ? 1 : 4;
  return prompts.slice(0, 4).flatMap((prompt, k) => {
    const rows = new Map(); // text -> the rows of the pool that hold it
    for (const i of orders[prompt].toReversed()) {
      const text = pool.texts[prompt][i];
      if (!rows.has(text) && rows.size === each) break;
      rows.set(text, [...(rows.get(text) ?? []), i]);
    }
    return [...rows].map(([text, where]) => ({ k, text: pool.prompts[prompt] + text, rows: where }));
  });
}

// How high a point stands in the picture; the judge on the axis of the others.
function heightOf(pool, point, role) {
  return role === "judge" ? (point.judge - pool.judge.mean) / pool.judge.std : point[role];
}

// ---- Measured PPO runs: they optimised the proxy of the clean pairs, so no other proxy shows them. ----
function isClean(model) {
  const { pairs, noise } = model.get("clean");
  return model.get("pairs") === pairs && model.get("noise") === noise;
}
function shownRuns(model) {
  const fits = (run, trait, key) => model.get(trait) === null || model.get(trait) === run[key];
  const all = isClean(model) ? model.get("runs") : [];
  return all.filter((run) => Object.entries(RUN_FILTERS).every(([trait, key]) => fits(run, trait, key)));
}
const pointsOf = (run) => run.kl.map((kl, i) => ({ kl, proxy: run.proxy[i], gold: run.gold[i], judge: run.judge[i] }));
