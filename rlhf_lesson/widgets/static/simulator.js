// The KL-against-reward simulator: a pool of real responses, re-weighted in the browser; `maths` equals study/pool.py.
// Leaves out PPO: measured runs come with the widget, live ones from Python as they train.

const maths = {
  // float16 as 16 bits -> number.
  half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
  },
  // The file of study/pool.py: { prompts, size, proxies, judge, scores: name -> one Float64Array a prompt, texts: one list a prompt }.
  async unpack(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const end = bytes.indexOf(10);
    const decoder = new TextDecoder();
    const header = JSON.parse(decoder.decode(bytes.subarray(0, end)));
    const { prompts, pool: size, columns, proxies, judge } = header;
    const count = columns.length * prompts.length * size;
    const view = new DataView(bytes.buffer, end + 1, 2 * count);
    const cut = (start) =>
      Float64Array.from({ length: size }, (_, i) => maths.half(view.getUint16(2 * (start + i), true)));
    const scores = Object.fromEntries(
      columns.map((name, c) => [name, prompts.map((_, p) => cut((c * prompts.length + p) * size))]),
    );
    const lines = decoder.decode(bytes.subarray(end + 1 + 2 * count)).split("\n");
    return {
      prompts,
      size,
      proxies,
      judge,
      scores,
      texts: prompts.map((_, p) => lines.slice(p * size, (p + 1) * size)),
    };
  },
  column: ({ pairs, noise }) => `proxy ${pairs} ${noise}`,

  // p_i = exp(r_i / beta) / Z: { p, kl, ess }; beta = Infinity is the reference, to the last bit.
  tilted(score, beta) {
    const most = score.reduce((a, b) => Math.max(a, b), -Infinity);
    const p = new Float64Array(score.length);
    let Z = 0;
    let weighted = 0;
    let squares = 0;
    for (let i = 0; i < p.length; i += 1) {
      const place = (score[i] - most) / beta;
      p[i] = Math.exp(place);
      Z += p[i];
      squares += p[i] * p[i];
      weighted += p[i] * place;
    }
    for (let i = 0; i < p.length; i += 1) p[i] /= Z;
    return { p, kl: Math.log(p.length) - Math.log(Z) + weighted / Z, ess: (Z * Z) / squares };
  },
  // Indices from the lowest score to the highest; of equal ones the later in the pool counts as higher.
  order: (score) => Uint32Array.from(score, (_, i) => i).sort((a, b) => score[a] - score[b] || a - b),
  // The policy that keeps the best of n draws with replacement, ties shared: { p, kl, ess }.
  bestOfN(score, order, n) {
    const size = score.length;
    const p = new Float64Array(size);
    let kl = 0;
    let squares = 0;
    for (let first = 0, next; first < size; first = next) {
      for (next = first + 1; next < size && score[order[next]] === score[order[first]];) next += 1;
      const upto = next / size;
      const above = (size - next) / size;
      const share = (next - first) / next;
      const logUpto = above < 0.5 ? Math.log1p(-above) : Math.log(upto);
      const gain = (n - 1) * logUpto + Math.log(-Math.expm1(n * Math.log1p(-share))) - Math.log(share); // log p - log ref
      for (let k = first; k < next; k += 1) p[order[k]] = Math.exp(gain) / size;
      const mass = ((next - first) * Math.exp(gain)) / size;
      if (mass > 0) kl += mass * gain;
      squares += (mass * mass) / (next - first);
    }
    return { p, kl, ess: 1 / squares };
  },
  // Unbiased for fresh draws: the mean, over every subset of size n, of the value at its highest score.
  estimate(order, values, n) {
    let weight = n / order.length;
    let total = 0;
    for (let rank = order.length; rank >= 1; rank -= 1) {
      total += weight * values[order[rank - 1]];
      weight *= Math.max(rank - n, 0) / (rank - 1 || 1);
    }
    return total;
  },
  mean: (p, values) => p.reduce((total, each, i) => total + each * values[i], 0),
  // Where the running sum of p passes `chance`, in [0, 1).
  pick(p, chance) {
    let left = chance * p.reduce((a, b) => a + b, 0);
    for (let i = 0; i < p.length; i += 1) if ((left -= p[i]) < 0) return i;
    return p.length - 1;
  },
  // Uniform numbers in [0, 1) from a seed (mulberry32).
  random(seed) {
    let state = Math.imul(seed, 0x9e3779b1);
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  },

  // ---- points of one prompt, then means over several; the effective size is that of the weakest prompt
  worth: (pool, prompt, name) => ({
    proxy: pool.scores[name][prompt],
    gold: pool.scores.gold[prompt],
    judge: pool.scores.judge[prompt],
  }),
  optimumPoint(pool, prompt, name, beta) {
    const { p, kl, ess } = maths.tilted(pool.scores[name][prompt], beta);
    const worth = maths.worth(pool, prompt, name);
    return {
      p,
      kl,
      ess,
      ...Object.fromEntries(Object.entries(worth).map(([k, values]) => [k, maths.mean(p, values)])),
    };
  },
  bestPoint(pool, prompt, name, order, n) {
    const { p, kl, ess } = maths.bestOfN(pool.scores[name][prompt], order, n);
    const worth = maths.worth(pool, prompt, name);
    return {
      p,
      kl,
      ess,
      ...Object.fromEntries(Object.entries(worth).map(([k, values]) => [k, maths.estimate(order, values, n)])),
    };
  },
  meanPoint(points) {
    const mean = (k) => sum(points.map((point) => point[k])) / points.length;
    return {
      kl: mean("kl"),
      proxy: mean("proxy"),
      gold: mean("gold"),
      judge: mean("judge"),
      ess: Math.min(...points.map((p) => p.ess)),
    };
  },
};

const SCORERS = ["proxy", "gold", "judge"];
const ROOT_TICKS = [0, 0.1, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300];
const bytesOf = (
  value,
) => (value.base64 === undefined
  ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  : Uint8Array.from(atob(value.base64), (letter) => letter.charCodeAt(0)));
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
  const betas = model.get("betas");
  const top = betas.at(-1) * (betas.at(-1) / betas.at(-2));
  const enough = model.get("enough");
  const seen = (name, from, to) => ({
    get: () => from(model.get(name)),
    set: (_, value) => model.set(name, to(value)),
    on: (event, listener) => model.on(event, listener),
    save_changes: () => model.save_changes(),
  }); // a trait on another scale
  const unique = (values) => [...new Set(values)].sort((a, b) => a - b);

  // ---- what can be chosen
  const beta = slider(seen("beta", (b) => b ?? top, (place) => (place > betas.at(-1) * 1.01 ? null : place)), "beta", {
    label: "β, price of a nat",
    min: betas[0],
    max: top,
    step: 0.05,
    log: true,
    format: (b) => (b > betas.at(-1) * 1.01 ? "∞" : betaText(b)),
  });
  const most = Math.log2(pool.size);
  const n = slider(seen("n", Math.log2, (k) => Math.round(2 ** k)), "n", {
    label: "n of best-of-n",
    min: 0,
    max: most,
    step: 1,
    format: (k) => grouped(2 ** k),
  });
  const prompts = [[-1, `mean over all ${pool.prompts.length}`], ...pool.prompts.map((text, i) => [i, `${text} ...`])];
  const noises = unique(pool.proxies.map((p) => p.noise));
  const pairs = unique(pool.proxies.map((p) => p.pairs));
  const which = node(
    "div",
    { class: "rl-row" },
    select(model, "prompt", { label: "prompt", options: prompts }),
    select(model, "pairs", { label: "labelled pairs behind the proxy", options: pairs.map((k) => [k, grouped(k)]) }),
    select(model, "noise", {
      label: "labels turned round",
      options: noises.map((share) => [share, percent(share, 0)]),
    }),
  );
  const runs = model.get("runs");
  const any = (key) => [null, ...unique(runs.map((run) => run[key]))].map((v) => [v, short(v)]);
  const filter = node(
    "fieldset",
    {},
    node("legend", {}, "measured PPO runs:"),
    select(model, "run_beta", { label: "β", options: any("beta") }),
    select(model, "run_rate", { label: "learning rate", options: any("rate") }),
    select(model, "run_clip", { label: "clip", options: any("clip") }),
    node("output", { class: "rl-quiet rl-count" }),
  );
  const switches = node(
    "div",
    { class: "rl-row" },
    toggle(model, "root", { label: "square-root axis of KL" }),
    toggle(model, "judge", { label: "judge too" }),
  );

  // ---- what is drawn
  const picture = plot({
    width: 900,
    height: 380,
    left: 52,
    x: { min: 0, max: 10, label: WORDS.kl },
    y: { min: -1, max: 3, label: WORDS.score },
    label: "Reward against KL",
  });
  const keys = legend([
    ...["proxy", "gold"].map((role) => ({ role, text: role })),
    { colour: "quiet", text: "thick: the optimum, in closed form" },
    { colour: "quiet", kind: "mark", marker: "s", text: "marks: best of n" },
    { colour: "quiet", dash: "1 0", text: "thin: PPO, a line a seed" },
    { colour: "quiet", kind: "mark", marker: "x", text: "crosses: PPO live" },
    { colour: "policy", kind: "mark", marker: "D", text: "this β" },
    { colour: "second", kind: "mark", marker: "o", text: "this n" },
  ]);
  keys.children[2].querySelector("path").setAttribute("stroke-width", 4.5);
  keys.children[4].querySelector("path").setAttribute("stroke-width", 1.1);
  const shift = plot({
    width: 430,
    height: 230,
    left: 58,
    x: { min: -4, max: 4, label: "proxy score of a response", format: signed(0) },
    y: { min: 0, max: 0.2, label: "share of responses" },
    label: "How the responses shift",
  });
  const shiftKeys = legend([{ colour: "quiet", kind: "bar", text: "reference" }, {
    colour: "policy",
    dash: "",
    text: "optimum",
  }, { colour: "second", dash: "7 4", text: "best of n" }]);
  const trust = node("p", { class: "rl-ess", role: "status" });
  const words = says();
  const numbers = node("div", { class: "rl-numbers" });
  const leaders = node("div", { class: "rl-leaders" });
  const cards = node("div", { class: "rl-cards", "aria-live": "polite" });
  const generate = button("Generate response", () => put(model, "draws", model.get("draws") + 1), {
    class: "rl-main rl-generate",
  });

  // ---- PPO live
  const tell = (what) => ({ target }) => {
    if (target.getAttribute("aria-disabled") !== "true") model.send({ do: what });
  };
  const train = button("Train live", tell("train"), { class: "rl-train" });
  const stop = button("Stop", tell("stop"), { class: "rl-stop" });
  const fill = node("span");
  const bar = node("div", { class: "rl-bar", role: "progressbar", "aria-label": "live PPO", "aria-valuemin": 0 }, fill);
  const state = node("span", { role: "status", class: "rl-live" });
  const live = model.get("can_train")
    ? node("div", { class: "rl-row" }, train, stop, state, bar)
    : node("p", { class: "rl-quiet" }, "Training live needs Python: open the notebook for that.");
  el.append(
    node("div", { class: "rl-columns" }, beta, n),
    which,
    node("div", { class: "rl-row" }, filter),
    switches,
    picture.node,
    keys,
    words,
    trust,
    live,
    node(
      "div",
      { class: "rl-columns rl-below" },
      node("div", {}, shift.node, shiftKeys),
      node("div", {}, numbers, leaders),
    ),
    node(
      "div",
      { class: "rl-row" },
      generate,
      node("span", { class: "rl-quiet" }, "one response of each policy, drawn at the present setting"),
    ),
    cards,
  );

  // ---- what only a change of prompt or proxy touches, kept
  const kept = {};
  const keep = (name, key, make) => {
    if (kept[name]?.key !== key) kept[name] = { key, value: make() };
    return kept[name].value;
  };
  const chosen = () => (model.get("prompt") < 0 ? pool.prompts.map((_, i) => i) : [model.get("prompt")]);
  const proxyName = () => maths.column({ pairs: model.get("pairs"), noise: model.get("noise") });
  const place = () => `${model.get("prompt")} ${proxyName()}`;
  const orders = () => keep("orders", proxyName(), () => pool.scores[proxyName()].map(maths.order));
  const optimum = (b) => chosen().map((i) => maths.optimumPoint(pool, i, proxyName(), b ?? Infinity));
  const best = (count) => chosen().map((i) => maths.bestPoint(pool, i, proxyName(), orders()[i], count));
  const frontier = () => keep("frontier", place(), () => [...betas, null].map((b) => maths.meanPoint(optimum(b))));
  const powers = () =>
    keep(
      "powers",
      place(),
      () => Array.from({ length: Math.floor(most) + 1 }, (_, k) => ({ n: 2 ** k, ...maths.meanPoint(best(2 ** k)) })),
    );
  const judged = (value) => (value - pool.judge.mean) / pool.judge.std; // on the axis of the others
  const value = (point, role) => (role === "judge" ? judged(point.judge) : point[role]);
  const isClean = () => {
    const { pairs: k, noise } = model.get("clean");
    return model.get("pairs") === k && model.get("noise") === noise;
  };
  const shownRuns =
    () => (isClean()
      ? runs.filter((run) =>
        [["run_beta", "beta"], ["run_rate", "rate"], ["run_clip", "clip"]]
          .every(([trait, key]) => model.get(trait) === null || model.get(trait) === run[key])
      )
      : []);

  function drawScene() {
    const roles = SCORERS.slice(0, model.get("judge") ? 3 : 2);
    const found = shownRuns();
    const points = model.get("points");
    const marks = powers();
    const curve = frontier();
    const key = [
      place(),
      roles.length,
      model.get("root"),
      points.length,
      ...["run_beta", "run_rate", "run_clip"].map((name) => model.get(name)),
    ].join("|");
    keep("scene", key, () => {
      const all = [
        ...curve,
        ...marks,
        ...points,
        ...found.flatMap((run) =>
          run.kl.map((kl, i) => ({ kl, proxy: run.proxy[i], gold: run.gold[i], judge: run.judge[i] }))
        ),
      ];
      const furthest = 1.04 * Math.max(...all.map((p) => p.kl));
      const heights = all.flatMap((p) => roles.map((role) => value(p, role)));
      const low = Math.min(...heights);
      const high = Math.max(...heights);
      const room = 0.09 * (high - low);
      const root = model.get("root");
      picture.axes({
        x: {
          min: 0,
          max: furthest,
          scale: root ? "sqrt" : "linear",
          ticks: root ? ROOT_TICKS.filter((t) => t <= 2 || t < furthest) : null,
          label: WORDS.kl + (root ? ", square-root axis" : ""),
        },
        y: { min: low - room, max: high + 1.6 * room },
      });
      picture.drop((name) => /^(run|live|curve|thin|best|label) /.test(name));
      picture.rule("zero", { y: 0 });
      const sure = curve.filter((p) => p.ess >= enough);
      const [unsure, last] = [sure, curve].map((points) => Math.max(...points.map((p) => p.kl)));
      const known = last > unsure;
      const edges = [low - room, high + 1.6 * room];
      picture.band(
        "unsure",
        known ? [[unsure, edges[0]], [unsure, edges[1]], [last, edges[1]], [last, edges[0]]] : [],
        { colour: "quiet", opacity: 0.1 },
      );
      picture.text(
        "unsure words",
        known ? (root ? ((Math.sqrt(unsure) + Math.sqrt(last)) / 2) ** 2 : (unsure + last) / 2) : 0,
        edges[1],
        known ? "pool too small" : "",
        { colour: "quiet", dy: 14, size: 11 },
      );
      for (const role of roles) {
        found.forEach((run, i) =>
          picture.line(`run ${i} ${role}`, run.kl.map((kl, k) => [kl, value({ [role]: run[role][k] }, role)]), {
            role,
            width: 1.1,
            opacity: 0.55,
          })
        );
        picture.line(`thin ${role}`, curve.map((p) => [p.kl, value(p, role)]), { role, width: 2, opacity: 0.6 });
        picture.line(`curve ${role}`, sure.map((p) => [p.kl, value(p, role)]), { role, width: 4 });
        picture.dots(`best ${role}`, marks.map((p) => [p.kl, value(p, role)]), { role, r: 4 });
        for (const run of unique(points.map((p) => p.run))) {
          picture.line(
            `live ${run} ${role} line`,
            points.filter((p) => p.run === run).map((p) => [p.kl, value(p, role)]),
            { role, width: 1.2, dash: "" },
          );
        }
        picture.dots(`live ${role}`, points.map((p) => [p.kl, value(p, role)]), { role, marker: "x", r: 4 });
      }
      for (const p of marks.filter((_, k) => k % 2 === 0)) {
        picture.text(`label ${p.n}`, p.kl, p.proxy, p.n === 1 ? "n = 1" : grouped(p.n), {
          dy: -9,
          dx: p.n === 1 ? 4 : 0,
          anchor: p.n === 1 ? "start" : "middle",
          size: 10,
          colour: "quiet",
        });
      }
      return found.length;
    });
    filter.querySelector(".rl-count").textContent = !runs.length
      ? "none are shipped"
      : !isClean()
      ? `these optimised the proxy of ${grouped(model.get("clean").pairs)} clean pairs: choose it to see them`
      : found.length
      ? `${found.length} shown`
      : "none measured with these three";
  }

  const bins = Array.from({ length: 33 }, (_, i) => -4 + i / 4);
  const last = bins.length - 2;
  const binOf = (s) => Math.min(last, Math.max(0, Math.floor((s + 4) * 4)));
  const places = () =>
    keep("places", proxyName(), () => pool.scores[proxyName()].map((score) => Uint8Array.from(score, binOf)));
  function shares(policies) {
    const mass = new Float64Array(last + 1);
    const which = chosen();
    policies.forEach(({ p }, k) => {
      const at = places()[which[k]];
      for (let i = 0; i < p.length; i += 1) mass[at[i]] += p[i] / which.length;
    });
    return mass;
  }
  const steps = (mass) => [...mass].flatMap((m, i) => [[bins[i], m], [bins[i + 1], m]]);

  // The distinct responses that the proxy likes best: of one prompt the first four, else the first of four prompts.
  const loved = () =>
    keep("loved", place(), () => {
      const each = chosen().length > 1 ? 1 : 4;
      return chosen().slice(0, 4).flatMap((prompt, k) => {
        const found = new Map();
        const order = orders()[prompt];
        for (let rank = order.length - 1; rank >= 0; rank -= 1) {
          const i = order[rank];
          const text = pool.texts[prompt][i];
          if (!found.has(text) && found.size === each) break;
          found.set(text, [...(found.get(text) ?? []), i]);
        }
        return [...found].map(([text, rows]) => ({ k, prompt, text: pool.prompts[prompt] + text, rows }));
      });
    });

  const reference = () => keep("reference", place(), () => optimum(null));
  function drawNow() {
    const b = model.get("beta");
    const count = model.get("n");
    const mine = optimum(b);
    const picked = keep("picked", `${place()} ${count}`, () => best(count));
    const [ref, now, bon] = [reference(), mine, picked].map(maths.meanPoint);
    const roles = SCORERS.slice(0, model.get("judge") ? 3 : 2);
    picture.drop((name) => /^now judge|^mine judge/.test(name) && roles.length < 3);
    for (const role of roles) {
      picture.dots(`mine ${role}`, [[bon.kl, value(bon, role)]], { colour: "second", marker: "o", r: 5.5 });
      picture.dots(`now ${role}`, [[now.kl, value(now, role)]], { role: "policy", r: 6.5 });
    }
    picture.text("now words", now.kl, now.proxy, `β = ${betaText(b)}`, {
      dy: -13,
      dx: 4,
      weight: 600,
      anchor: now.kl < 0.3 ? "start" : "middle",
    });
    const mass = [reference(), mine, picked].map(shares);
    shift.axes({ y: { max: Math.max(0.2, Math.ceil(10.5 * Math.max(...mass.flatMap((m) => [...m]))) / 10) } });
    shift.bars("ref", [...mass[0]].map((m, i) => [bins[i], bins[i + 1], m]), { colour: "quiet", opacity: 0.45 });
    shift.line("best", steps(mass[2]), { colour: "second", dash: "7 4", width: 1.8 });
    shift.line("mine", steps(mass[1]), { colour: "policy", dash: "", width: 2.4 });

    const thin = now.ess < enough;
    const mostly = chosen().length > 1 ? " for the weakest prompt" : "";
    trust.classList.toggle("rl-warning", thin);
    const rests = `about ${grouped(now.ess)} of ${grouped(pool.size)} responses${mostly}`;
    trust.textContent = thin
      ? `The pool is too small for this β: all the weight rests on ${rests}. The true optimum is further away, and better by the proxy, than these numbers say; no pool of this size shows more than ${
        fixed(1)(Math.log(pool.size))
      } nats.`
      : `These numbers rest on ${rests}, which is enough.`;
    words.textContent = `At β = ${betaText(b)} the best policy is ${
      fixed(2)(now.kl)
    } nats from the reference and changes its proxy score by ${signed(2)(now.proxy - ref.proxy)}, its gold score by ${
      signed(2)(now.gold - ref.gold)
    }. Best of ${grouped(count)}: ${fixed(2)(bon.kl)} nats, proxy by ${signed(2)(bon.proxy - ref.proxy)}, gold by ${
      signed(2)(bon.gold - ref.gold)
    }.`;
    numbers.replaceChildren(
      table(
        ["policy", "KL", "proxy", "gold", "judge", "rests on"],
        [["reference", ref], ["optimum", now], [`best of ${grouped(count)}`, bon]]
          .map((
            [name, p],
          ) => [name, fixed(2)(p.kl), signed(2)(p.proxy), signed(2)(p.gold), signed(2)(p.judge), grouped(p.ess)]),
      ),
    );
    leaders.replaceChildren(
      table(
        ["what this proxy likes best", "reference", "optimum"],
        loved().map(({ k, text, rows }) => [
          text,
          percent(rows.length / pool.size, 2),
          percent(sum(rows.map((i) => mine[k].p[i])), mine[k].p[rows[0]] * rows.length > 0.1 ? 0 : 2),
        ]),
      ),
    );
    picture.say(
      `at β = ${betaText(b)}: KL ${fixed(2)(now.kl)} nats, proxy ${fixed(2)(now.proxy)}, gold ${
        fixed(2)(now.gold)
      }; best of ${grouped(count)}: KL ${fixed(2)(bon.kl)}, proxy ${fixed(2)(bon.proxy)}, gold ${fixed(2)(bon.gold)}`,
    );
    shift.say(
      `mean proxy score ${fixed(2)(ref.proxy)} under the reference, ${fixed(2)(now.proxy)} under the optimum, ${
        fixed(2)(bon.proxy)
      } under best of ${grouped(count)}`,
    );
    drawCards(mine, picked);
    Object.assign(el.dataset, {
      ready: "true",
      beta: betaText(b),
      kl: now.kl,
      proxy: now.proxy,
      gold: now.gold,
      ess: now.ess,
      n: count,
    });
  }

  function drawCards(mine, picked) {
    const luck = maths.random(model.get("draws"));
    const which = chosen();
    const k = Math.floor(luck() * which.length);
    const prompt = which[k];
    const order = orders()[prompt];
    const log = (p) => Math.log(p * pool.size);
    const uniform = reference()[k].p;
    const card = (title, p) => {
      const i = order[maths.pick(Array.from(order, (j) => p[j]), luck())];
      const row = pool.scores;
      const text = node("p", {}, node("b", {}, pool.prompts[prompt]), pool.texts[prompt][i]);
      const facts = `proxy ${signed(2)(row[proxyName()][prompt][i])}, gold ${signed(2)(row.gold[prompt][i])}, judge ${
        signed(2)(row.judge[prompt][i])
      }; ${signed(2)(log(p[i]))} nats`;
      return node(
        "section",
        { "aria-label": title },
        node("h4", {}, title),
        text,
        node("p", { class: "rl-quiet" }, facts),
      );
    };
    const made = [
      card("reference", uniform),
      card(`optimum at β = ${betaText(model.get("beta"))}`, mine[k].p),
      card(`best of ${grouped(model.get("n"))}`, picked[k].p),
    ];
    cards.replaceChildren(...made);
  }

  function drawLive() {
    const { status, doing = "", step = 0, steps = 0, left, error } = model.get("progress");
    const busy = status === "running" || status === "stopping" || status === "paused";
    const infinite = model.get("beta") === null;
    train.textContent = busy ? "Train live" : `Train live at β = ${betaText(model.get("beta"))}`;
    train.setAttribute("aria-disabled", String(busy || infinite));
    stop.setAttribute("aria-disabled", String(status !== "running"));
    fill.style.width = steps ? `${(100 * step) / steps}%` : "0";
    bar.setAttribute("aria-valuemax", steps);
    bar.setAttribute("aria-valuenow", step);
    const clock = left ? `, about ${Math.ceil(left)} s left` : "";
    const at = steps ? ` ${step} of ${steps}` : "";
    state.textContent = {
      ready: infinite ? "at β = ∞ there is nothing to learn" : "real PPO, in the background",
      running: `${doing || "starting"}${at}${clock}`,
      stopping: "stopping after this iteration",
      stopped: `stopped after ${step} iterations`,
      finished: "finished",
      failed: error,
    }[status] ?? status;
    state.classList.toggle("rl-warning", status === "failed");
    Object.assign(el.dataset, { live: status, step, points: model.get("points").length });
  }

  const all = [
    "beta",
    "n",
    "prompt",
    "pairs",
    "noise",
    "root",
    "judge",
    "run_beta",
    "run_rate",
    "run_clip",
    "draws",
    "points",
  ];
  const ends = [
    redrawOn(model, all, () => {
      drawScene();
      drawNow();
    }),
    redrawOn(model, ["progress", "points", "beta"], drawLive),
  ];
  return () => ends.forEach((end) => end());
}

export default { render, maths };
