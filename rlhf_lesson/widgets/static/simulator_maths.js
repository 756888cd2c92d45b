// The simulator's equations: study/pool.py's, once more in JavaScript. A test compares the two.

const maths = {
  // float16 as 16 bits -> number.
  half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : (2 ** -14 * fraction) / 1024);
  },
  // The file that study/pool.py writes: { prompts, size, proxies, judge, scores, texts }, where scores[name] holds one
  // Float64Array per prompt and texts one list per prompt.
  async unpack(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const decoder = new TextDecoder();
    const end = bytes.indexOf(10); // the header is the first line
    const { prompts, pool: size, columns, proxies, judge } = JSON.parse(decoder.decode(bytes.subarray(0, end)));
    const count = columns.length * prompts.length * size;
    const halves = new DataView(bytes.buffer, end + 1, 2 * count);
    const score = (i) => maths.half(halves.getUint16(2 * i, true));
    const scoresFrom = (start) => Float64Array.from({ length: size }, (_, i) => score(start + i));
    const column = (c) => prompts.map((_, p) => scoresFrom((c * prompts.length + p) * size));
    const scores = Object.fromEntries(columns.map((name, c) => [name, column(c)]));
    const lines = decoder.decode(bytes.subarray(end + 1 + 2 * count)).split("\n");
    const texts = prompts.map((_, p) => lines.slice(p * size, (p + 1) * size));
    return { prompts, size, proxies, judge, scores, texts };
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
      const logShare = Math.log(-Math.expm1(n * Math.log1p(-share))) - Math.log(share);
      const gain = (n - 1) * logUpto + logShare; // log p - log ref
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

  // Points of one prompt; `value(scores)` is the policy's mean of a scorer's scores.
  worth: (pool, prompt, name, value) => ({
    proxy: value(pool.scores[name][prompt]),
    gold: value(pool.scores.gold[prompt]),
    judge: value(pool.scores.judge[prompt]),
  }),
  optimumPoint(pool, prompt, name, beta) {
    const { p, kl, ess } = maths.tilted(pool.scores[name][prompt], beta);
    return { p, kl, ess, ...maths.worth(pool, prompt, name, (scores) => maths.mean(p, scores)) };
  },
  bestPoint(pool, prompt, name, order, n) {
    const { p, kl, ess } = maths.bestOfN(pool.scores[name][prompt], order, n);
    return { p, kl, ess, ...maths.worth(pool, prompt, name, (scores) => maths.estimate(order, scores, n)) };
  },
  // The mean of several prompts' points; the effective size is that of the weakest prompt.
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
