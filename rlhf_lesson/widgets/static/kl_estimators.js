// k1, k2 and k3 on a small vocabulary, their bias and spread summed exactly; `maths` equals kl.exact_kl, kl.k1, kl.k2,
// kl.k3 and their means over the sampler. Leaves out gradients.

const maths = {
  // log pi = log softmax(ref_logits + distance * direction): distance 0 is the reference.
  policy: (refLogits, direction, distance) => logSoftmax(refLogits.map((z, i) => z + distance * direction[i])),
  exactKl: (logp, refLogp) => sum(logp.map((l, i) => Math.exp(l) * (l - refLogp[i]))),
  k1: (d) => d,
  k2: (d) => 0.5 * d * d,
  k3: (d) => Math.expm1(-d) + d,
  // Mean and standard deviation of one sample's estimate, over the distribution that samples.
  moments(estimator, logp, refLogp, sampler) {
    const values = logp.map((l, i) => maths[estimator](l - refLogp[i]));
    const weight = sampler.map(Math.exp);
    const mean = sum(values.map((k, i) => weight[i] * k));
    return { mean, std: Math.sqrt(sum(values.map((k, i) => weight[i] * (k - mean) ** 2))) };
  },
};

const NAMES = ["k1", "k2", "k3"];
const LOOKS = { k1: { role: "proxy" }, k2: { role: "gold" }, k3: { role: "judge" } };
const FORMULAS = { k1: "d", k2: "d² / 2", k3: "e⁻ᵈ − 1 + d" };
const FURTHEST = 3;
const DISTANCES = Array.from({ length: 61 }, (_, i) => (i * FURTHEST) / 60);

function render({ model, el }) {
  begin(el, "Estimating a KL from samples: k1, k2, k3");
  const directions = model.get("directions");
  const refLogits = model.get("ref_logits");
  const controls = node(
    "div",
    { class: "rl-row" },
    slider(model, "distance", {
      label: "distance from the reference",
      min: 0,
      max: FURTHEST,
      step: 0.05,
      format: fixed(2),
    }),
    slider(model, "samples", {
      label: "samples in a mean",
      min: 1,
      max: 10000,
      step: 0.25,
      log: true,
      format: (n) => String(Math.round(n)),
    }),
    select(model, "direction", {
      label: "the policy has learned",
      options: Object.keys(directions).map((name) => [name, name]),
    }),
    choice(model, "sampler", {
      label: "who samples",
      options: [["policy", "policy (right)"], ["reference", "reference (wrong)"]],
    }),
  );
  const vocab = refLogits.length;
  const left = plot({
    width: 430,
    height: 280,
    label: "Policy and reference",
    x: {
      min: -0.6,
      max: vocab - 0.4,
      ticks: [...refLogits.keys()],
      format: (i) => String(i + 1),
      label: "token of the vocabulary",
    },
    y: { min: 0, max: 1, label: "probability" },
  });
  const right = plot({
    width: 430,
    height: 280,
    label: "Estimates against the distance",
    x: { min: 0, max: FURTHEST, label: "distance from the reference" },
    y: { min: -1, max: 2, label: "estimate (nats per token)" },
  });
  const keys = legend([
    { colour: "policy", kind: "bar", text: "policy" },
    { colour: "quiet", kind: "bar", text: "reference" },
    { colour: "ink", dash: " ", text: "exact KL" },
    ...NAMES.map((name) => ({ ...LOOKS[name], text: `${name} = ${FORMULAS[name]}` })),
  ]);
  const numbers = node("div");
  const words = says();
  el.append(
    controls,
    node("div", { class: "rl-columns" }, left.node, right.node),
    keys,
    node(
      "p",
      { class: "rl-quiet" },
      "d = log π(y) − log ref(y). A line is the mean; its band, one standard deviation of the mean of so many samples.",
    ),
    numbers,
    words,
  );

  return redrawOn(model, ["distance", "samples", "direction", "sampler"], () => {
    const direction = directions[model.get("direction")];
    const distance = model.get("distance");
    const n = Math.round(model.get("samples"));
    const fromPolicy = model.get("sampler") === "policy";
    const refLogp = logSoftmax(refLogits);
    const at = (s) => {
      const logp = maths.policy(refLogits, direction, s);
      const sampler = fromPolicy ? logp : refLogp;
      const each = Object.fromEntries(NAMES.map((k) => [k, maths.moments(k, logp, refLogp, sampler)]));
      return { logp, exact: maths.exactKl(logp, refLogp), each };
    };
    const curve = DISTANCES.map(at);
    const here = at(distance);
    left.bars("ref", refLogp.map((l, i) => [i - 0.36, i, Math.exp(l)]), { colour: "quiet", opacity: 0.7 });
    left.bars("policy", here.logp.map((l, i) => [i, i + 0.36, Math.exp(l)]), { colour: "policy" });
    const top = Math.max(0.6, 1.6 * curve.at(-1).exact);
    const bottom = fromPolicy ? -0.35 * top : -top;
    right.axes({ y: { min: bottom, max: top } });
    right.rule("zero", { y: 0 });
    right.rule("here", { x: distance }, { dash: "2 3" });
    for (const k of NAMES) {
      const points = (width) =>
        curve.map(({ each }, i) => [DISTANCES[i], each[k].mean + (width * each[k].std) / Math.sqrt(n)]);
      const above = points(1);
      const below = points(-1);
      const band = [...above, ...below.reverse()].map(([s, y]) => [s, Math.min(Math.max(y, bottom - top), 3 * top)]);
      right.band(`band ${k}`, band, { ...LOOKS[k], opacity: 0.13 });
    }
    right.line("exact", curve.map(({ exact }, i) => [DISTANCES[i], exact]), { colour: "ink", width: 5, opacity: 0.3 });
    for (const k of NAMES) {
      right.line(k, curve.map(({ each }, i) => [DISTANCES[i], each[k].mean]), LOOKS[k]);
      right.dots(`${k} here`, [[distance, here.each[k].mean]], { ...LOOKS[k], r: 5 });
    }
    const rows = NAMES.map((k) => {
      const { mean, std } = here.each[k];
      return [
        `${k} = ${FORMULAS[k]}`,
        ...[mean, mean - here.exact].map(signed(4)),
        fixed(4)(std),
        fixed(4)(std / Math.sqrt(n)),
      ];
    });
    numbers.replaceChildren(
      table(["nats per token", "mean", "bias", "spread of one sample", `spread of a mean of ${n}`], rows),
    );
    const steadiest = NAMES.reduce((a, b) => (here.each[b].std < here.each[a].std ? b : a));
    const exact = `The exact KL is ${fixed(4)(here.exact)} nats.`;
    const wrong = "Samples of the reference estimate something else: " +
      `k1's mean is ${signed(4)(here.each.k1.mean)}, minus the KL the other way round.`;
    const miss = signed(4)(here.each.k2.mean - here.exact);
    const honest = `k1 and k3 hit it on average, k2 misses it by ${miss}; the steadiest is ${steadiest}.`;
    if (fromPolicy && distance === 0) {
      words.textContent = "At the reference every estimator says 0, without spread.";
    } else words.textContent = `${exact} ${fromPolicy ? honest : wrong}`;
    const chances = (logp) => logp.map((l) => fixed(2)(Math.exp(l))).join(", ");
    left.say(`policy ${chances(here.logp)}; reference ${chances(refLogp)}`);
    right.say(`exact ${fixed(3)(here.exact)}; ${NAMES.map((k) => `${k} ${fixed(3)(here.each[k].mean)}`).join(", ")}`);
  });
}

export default { render, maths };
