// How far best-of-n moves from the reference: exact against the bound; `maths` equals kl.best_of_n_logprobs,
// kl.best_of_n_kl and kl.best_of_n_kl_bound. Leaves out what the moved policy is worth.

const maths = {
  bound: (n) => Math.log(n) - (n - 1) / n,
  // log pi_n of each outcome, from log ref and score; outcomes with one score share a level.
  logprobs(refLogp, score, n) {
    const levels = [...new Set(score)].sort((a, b) => a - b);
    const level = new Map(levels.map((s, i) => [s, i]));
    const tie = levels.map(() => 0);
    refLogp.forEach((l, v) => {
      tie[level.get(score[v])] += Math.exp(l);
    });
    let below = 0;
    const upto = tie.map((t) => (below += t));
    const logUpto = upto.map((f, i) => (above(tie, i) < 0.5 ? Math.log1p(-above(tie, i)) : Math.log(f)));
    return refLogp.map((l, v) => {
      const i = level.get(score[v]);
      const share = Math.min(1, tie[i] / upto[i]);
      return l + (n - 1) * logUpto[i] + Math.log(-Math.expm1(n * Math.log1p(-share))) - Math.log(share);
    });
  },
  kl(refLogp, score, n) {
    const logp = maths.logprobs(refLogp, score, n);
    return sum(logp.map((l, v) => (l === -Infinity ? 0 : Math.exp(l) * (l - refLogp[v]))));
  },
};
// Chance of a score above level i, summed from the rare end, so that nothing is lost to rounding.
const above = (tie, i) => tie.slice(i + 1).reduceRight((total, t) => total + t, 0);

const NS = Array.from({ length: 61 }, (_, i) => 10 ** (i / 20));

function render({ model, el }) {
  begin(el, "Best of n: how far it moves, and the bound");
  const worlds = model.get("worlds");
  const controls = node(
    "div",
    { class: "rl-row" },
    slider(model, "n", {
      label: "n, draws of which the best is kept",
      min: 1,
      max: 1000,
      step: 0.05,
      log: true,
      format: (n) => String(Math.round(n)),
    }),
    select(model, "world", { label: "outcomes", options: Object.keys(worlds).map((name) => [name, name]) }),
  );
  const left = plot({
    width: 430,
    height: 290,
    label: "KL against n",
    x: { min: 1, max: 1000, scale: "log", label: "n (log scale)" },
    y: { min: 0, max: 6, label: "KL from reference (nats)" },
  });
  const right = plot({
    width: 430,
    height: 290,
    label: "The reference and best of n",
    x: { min: 0, max: 1, label: "score of the outcome" },
    y: { min: 0, max: 1, label: "probability" },
  });
  const keys = legend([
    { role: "policy", text: "exact KL of best of n" },
    { colour: "ink", dash: "2 3", text: "bound: log n − (n − 1)/n" },
    { colour: "quiet", kind: "bar", text: "reference" },
    { colour: "policy", kind: "bar", text: "best of n" },
  ]);
  const words = says();
  el.append(controls, node("div", { class: "rl-columns" }, left.node, right.node), keys, words);
  left.line("bound", NS.map((n) => [n, maths.bound(n)]), { colour: "ink", dash: "2 3" });

  return redrawOn(model, ["n", "world"], () => {
    const n = Math.round(model.get("n"));
    const { ref, score } = worlds[model.get("world")];
    const refLogp = ref.map(Math.log);
    const kl = maths.kl(refLogp, score, n);
    const bound = maths.bound(n);
    const p = maths.logprobs(refLogp, score, n).map(Math.exp);
    left.line("exact", NS.map((m) => [m, maths.kl(refLogp, score, m)]), { role: "policy", width: 2.5 });
    left.rule("here", { x: n }, { dash: "2 3" });
    left.dots("bound here", [[n, bound]], { colour: "ink", marker: "x" });
    left.dots("exact here", [[n, kl]], { role: "policy", r: 5 });
    const levels = [...new Set(score)].sort((a, b) => a - b);
    const mass = (weights) => levels.map((s) => sum(weights.filter((_, v) => score[v] === s)));
    const refMass = mass(ref);
    const mine = mass(p);
    const half = 0.42 / Math.max(levels.length, 8);
    const pad = 1.3 * half;
    right.axes({ x: { min: -pad, max: 1 + pad }, y: { max: Math.min(1, 1.1 * Math.max(...refMass, ...mine)) } });
    right.bars("ref", refMass.map((m, i) => [levels[i] - half, levels[i], m]), { colour: "quiet", opacity: 0.7 });
    right.bars("mine", mine.map((m, i) => [levels[i], levels[i] + half, m]), { colour: "policy" });
    const mean = (weights) => sum(weights.map((w, v) => w * score[v]));
    const gap = bound - kl;
    const loose = `the bound is ${fixed(3)(gap)} nats too large, since outcomes are common or tie.`;
    const tight = gap < 0.02 * bound ? "here the bound is all but reached." : loose;
    words.textContent = `Best of ${n} is ${fixed(3)(kl)} nats from the reference, the bound says ${fixed(3)(bound)}: ` +
      (n === 1 ? "one draw is the reference itself." : tight) +
      ` The expected score goes from ${fixed(3)(mean(ref))} to ${fixed(3)(mean(p))}.`;
    left.say(`at n = ${n} exact ${fixed(3)(kl)}, bound ${fixed(3)(bound)} nats`);
    right.say(
      `the highest score has probability ${fixed(3)(refMass.at(-1))} under the reference ` +
        `and ${fixed(3)(mine.at(-1))} under best of ${n}`,
    );
  });
}

export default { render, maths };
