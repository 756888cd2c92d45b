// PPO's clipped objective of one token against its ratio, both branches, and the gradient; `maths` equals minus
// losses.ppo_clip_loss and minus its gradient by log pi. Leaves out the mean over tokens.

const maths = {
  plain: (ratio, advantage) => advantage * ratio,
  clipped: (ratio, advantage, clip) => advantage * Math.min(1 + clip, Math.max(1 - clip, ratio)),
  objective: (ratio, advantage, clip) => Math.min(maths.plain(ratio, advantage), maths.clipped(ratio, advantage, clip)),
  // By log pi: d ratio / d log pi = ratio. 0 where the clipped branch is the smaller one.
  gradient: (ratio, advantage, clip) =>
    (advantage > 0 && ratio > 1 + clip) || (advantage < 0 && ratio < 1 - clip) ? 0 : advantage * ratio,
};

const MOST = 2.4;
const RATIOS = Array.from({ length: 241 }, (_, i) => i / 100);
// The curve's points, with both corners exact, and a gap where the gradient jumps at a corner.
function along(f, clip) {
  const corners = [1 - clip, 1 + clip];
  const ratios = [...RATIOS, ...corners].sort((a, b) => a - b);
  return ratios.flatMap((r) => (corners.includes(r) ? [[r, f(r - 1e-9)], [r, NaN], [r, f(r + 1e-9)]] : [[r, f(r)]]));
}

function reason(advantage, gradient, isInside) {
  if (advantage === 0) return "An advantage of 0 asks for nothing.";
  if (gradient === 0) {
    return "The probability has moved far enough the way A asks for: the clipped branch is smaller, the gradient is 0.";
  }
  if (isInside) return "It is inside the free range: the gradient is the plain policy gradient.";
  return "It is outside the free range on the wrong side, so the gradient still pulls it back.";
}

function render({ model, el }) {
  begin(el, "PPO's clip: how far one token's probability may move");
  const controls = node(
    "div",
    { class: "rl-row" },
    slider(model, "ratio", { label: "ratio", min: 0.05, max: 2.35, step: 0.01, format: fixed(2) }),
    slider(model, "advantage", { label: "advantage A", min: -2, max: 2, step: 0.1, format: signed(1) }),
    slider(model, "clip", { label: "clip ε", min: 0.05, max: 0.5, step: 0.01, format: fixed(2) }),
  );
  const x = {
    min: 0,
    max: MOST,
    label: "ratio: new probability / old one",
    ticks: [0, 0.5, 1, 1.5, 2],
    format: fixed(1),
  };
  const left = plot({ width: 430, height: 300, x, y: { min: -1, max: 1 }, label: "Objective against the ratio" });
  const right = plot({ width: 430, height: 300, x, y: { min: -1, max: 1 }, label: "Gradient against the ratio" });
  const keys = legend([
    { role: "policy", dash: " ", text: "what PPO maximises: the smaller branch, and its gradient" },
    { colour: "proxy", dash: "2 3", text: "ratio × A" },
    { colour: "judge", dash: "7 4", text: "clipped ratio × A" },
    { colour: "ink", marker: "o", kind: "mark", text: "this token" },
  ]);
  const cases = node("div");
  const words = says();
  el.append(controls, node("div", { class: "rl-columns" }, left.node, right.node), keys, cases, words);

  return redrawOn(model, ["ratio", "advantage", "clip"], () => {
    const [ratio, a, clip] = ["ratio", "advantage", "clip"].map((name) => model.get(name));
    const top = Math.max(0.5, Math.abs(a)) * MOST;
    const [low, high] = a < 0 ? [-top, 0.25 * top] : [-0.25 * top, top];
    const curve = (f) => along((r) => f(r, a, clip), clip);
    left.axes({ y: { min: low, max: high, label: "objective of the token (maximised)" } });
    right.axes({ y: { min: low, max: high, label: "gradient by log π" } });
    for (const picture of [left, right]) {
      picture.area("free", [[1 - clip, high], [1 + clip, high]], { colour: "proxy", opacity: 0.1, floor: low });
      picture.rule("zero", { y: 0 }, { dash: "" });
      picture.rule("start", { x: 1 }, { dash: "2 3" });
    }
    left.line("ppo", curve(maths.objective), { colour: "policy", width: 5, opacity: 0.75 });
    left.line("plain", curve(maths.plain), { colour: "proxy", dash: "2 3" });
    left.line("clipped", curve(maths.clipped), { colour: "judge", dash: "7 4" });
    left.dots("here", [[ratio, maths.objective(ratio, a, clip)]], { r: 6 });
    right.line("ppo", curve(maths.gradient), { colour: "policy", width: 5, opacity: 0.75 });
    right.line("plain", curve(maths.plain), { colour: "proxy", dash: "2 3" });
    right.dots("here", [[ratio, maths.gradient(ratio, a, clip)]], { r: 6 });

    const place = ratio < 1 - clip ? 0 : ratio > 1 + clip ? 2 : 1;
    const row = Math.sign(a);
    const up = ["up: A × ratio", "up: A × ratio", "still: 0"];
    const down = ["still: 0", "down: A × ratio", "down: A × ratio"];
    const here = (text, on) => (on ? node("strong", {}, `▸ ${text}`) : text);
    const line = (name, sign, texts) => [name, ...texts.map((text, i) => here(text, sign === row && i === place))];
    const below = `ratio < ${fixed(2)(1 - clip)}`;
    const beyond = `ratio > ${fixed(2)(1 + clip)}`;
    cases.replaceChildren(table(
      ["which way the gradient moves log π", below, "between", beyond],
      [line("A > 0: do it more", 1, up), line("A < 0: do it less", -1, down)],
    ));
    const gradient = maths.gradient(ratio, a, clip);
    const objective = maths.objective(ratio, a, clip);
    const why = reason(a, gradient, place === 1);
    words.textContent = `Objective ${signed(3)(objective)}, gradient ${signed(3)(gradient)}. ${why}`;
    left.say(`at ratio ${fixed(2)(ratio)} and advantage ${signed(1)(a)} it is ${signed(3)(objective)}`);
    right.say(`at ratio ${fixed(2)(ratio)} it is ${signed(3)(gradient)}`);
  });
}

export default { render, maths };
