// Rewards and a critic's values, drawn by hand, and the credit that each token gets; `maths` equals advantages.gae and
// advantages.discounted_returns. Leaves out whitening.

const maths = {
  // A_t = delta_t + discount lam A_{t+1} with delta_t = r_t + discount V_{t+1} - V_t; 0 after the last token.
  gae(rewards, values, discount, lam) {
    const out = new Array(rewards.length);
    for (let t = rewards.length - 1, later = 0; t >= 0; t -= 1) {
      later = rewards[t] + discount * (values[t + 1] ?? 0) - values[t] + discount * lam * later;
      out[t] = later;
    }
    return out;
  },
  returns: (rewards, discount) => maths.gae(rewards, rewards.map(() => 0), discount, 1),
};

const BEFORE = 0.7; // a value is drawn left of its token: the critic speaks before the token is known

// How far back the credit for a reward reaches, when it shrinks by `decay` per token.
function reach(decay) {
  if (decay === 1) return "credit reaches back to the first token undiminished";
  if (decay === 0) return "credit reaches back no further than the critic carries it";
  return `credit halves every ${fixed(1)(Math.log(0.5) / Math.log(decay))} tokens on its way back`;
}

function render({ model, el }) {
  begin(el, "Generalised advantage estimation: which token gets the credit");
  const count = model.get("rewards").length;
  const tokens = Array.from({ length: count }, (_, t) => t + 1);
  const presets = [["", "as drawn"], ...Object.keys(model.get("presets")).map((name) => [name, name])];
  const controls = node(
    "div",
    { class: "rl-row" },
    slider(model, "discount", { label: "discount γ", min: 0, max: 1, step: 0.01, format: fixed(2) }),
    slider(model, "lam", { label: "lambda λ", min: 0, max: 1, step: 0.01, format: fixed(2) }),
    select(model, "preset", { label: "draw", options: presets }),
  );
  const x = { min: 0.4, max: count + 0.6, ticks: tokens };
  const drawn = plot({
    width: 880,
    height: 230,
    x: { ...x, label: "" },
    bottom: 30,
    label: "Rewards and values, drawn by hand",
    y: { min: -2, max: 2, label: "reward units", format: signed(0), ticks: [-2, -1, 0, 1, 2] },
  });
  const credit = plot({
    width: 880,
    height: 230,
    x: { ...x, label: "token of the response" },
    label: "Advantage of each token",
    y: { min: -2, max: 2, label: "advantage" },
  });
  const handKeys = legend([
    { role: "proxy", text: "reward of the token (drag)", kind: "mark", marker: "o" },
    { colour: "second", dash: "7 4", text: "critic's value before the token (drag)" },
  ]);
  const creditKeys = legend([
    { role: "policy", kind: "bar", text: "advantage at this λ" },
    { colour: "ink", dash: "2 3", text: "λ = 0: trusts the critic" },
    { colour: "quiet", dash: "7 4", text: "λ = 1: the sampled return less the value" },
  ]);
  const words = says();
  el.append(
    controls,
    node("p", { class: "rl-quiet" }, "Drag a point up or down, or give it focus (Tab) and use the arrow keys."),
    drawn.node,
    handKeys,
    credit.node,
    creditKeys,
    words,
  );

  const change = (name, t) => (value) => {
    const values = [...model.get(name)];
    values[t] = value;
    model.set("preset", "");
    put(model, name, values);
  };
  const applyPreset = () => {
    const preset = model.get("presets")[model.get("preset")];
    if (!preset) return;
    model.set("rewards", preset.rewards);
    model.set("values", preset.values);
    model.save_changes();
  };
  model.on("change:preset", applyPreset);

  const end = redrawOn(model, ["rewards", "values", "discount", "lam"], () => {
    const [rewards, values, discount, lam] = ["rewards", "values", "discount", "lam"].map((name) => model.get(name));
    drawn.rule("zero", { y: 0 });
    drawn.bars("bars", rewards.map((r, t) => [t + 0.88, t + 1.12, r]), { role: "proxy", opacity: 0.35 });
    drawn.line("value", values.map((v, t) => [t + BEFORE, v]), { colour: "second", dash: "7 4" });
    const knob = { min: -2, max: 2, step: 0.1, format: signed(1) };
    for (const t of tokens.keys()) {
      drawn.handle(`v${t}`, t + BEFORE, values[t], {
        ...knob,
        label: `value before token ${t + 1}`,
        move: change("values", t),
        colour: "second",
        r: 6,
      });
      drawn.handle(`r${t}`, t + 1, rewards[t], {
        ...knob,
        label: `reward of token ${t + 1}`,
        move: change("rewards", t),
        colour: "proxy",
        r: 8,
      });
    }
    const [now, one, full] = [lam, 0, 1].map((l) => maths.gae(rewards, values, discount, l));
    const most = Math.max(1, ...[...now, ...one, ...full].map(Math.abs)) * 1.1;
    const step = Math.ceil(most);
    credit.axes({ y: { min: -1.4 * step, max: step, label: "advantage" } });
    credit.rule("zero", { y: 0 });
    credit.bars("now", now.map((a, t) => [t + 0.7, t + 1.3, a]), { role: "policy", opacity: 0.8 });
    credit.line("one", one.map((a, t) => [t + 1, a]), { colour: "ink", dash: "2 3", width: 1.8 });
    credit.line("full", full.map((a, t) => [t + 1, a]), { colour: "quiet", dash: "7 4", width: 1.8 });
    now.forEach((a, t) => credit.text(`a${t}`, t + 1, -1.4 * step, signed(2)(a), { dy: -7 }));
    const best = now.reduce((b, a, t) => (Math.abs(a) > Math.abs(now[b]) ? t : b), 0);
    const decay = discount * lam;
    words.textContent = `Token ${best + 1} gets the largest advantage, ${signed(2)(now[best])}; ` +
      `γλ = ${fixed(2)(decay)}: ${reach(decay)}. ` +
      `The return of the first token is ${signed(2)(maths.returns(rewards, discount)[0])}.`;
    drawn.say(`rewards ${rewards.map(signed(1)).join(", ")}; values ${values.map(signed(1)).join(", ")}`);
    credit.say(`by token ${now.map(signed(2)).join(", ")}`);
  });
  return () => {
    model.off("change:preset", applyPreset);
    end();
  };
}

export default { render, maths };
