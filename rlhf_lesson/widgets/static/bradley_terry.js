// Two scores become a probability, a loss and a gradient; `maths` equals bradley_terry.win_probability and
// losses.bradley_terry_loss. Leaves out the model that makes the scores.

const maths = {
  // sigmoid(lead), and the loss log(1 + exp(-lead)) with its slope, for a lead s_chosen - s_rejected - margin.
  probability: (lead) => (lead >= 0 ? 1 / (1 + Math.exp(-lead)) : Math.exp(lead) / (1 + Math.exp(lead))),
  loss: (lead) => Math.max(-lead, 0) + Math.log1p(Math.exp(-Math.abs(lead))),
  slope: (lead) => -maths.probability(-lead),
};

const LEADS = Array.from({ length: 161 }, (_, i) => -8 + i / 10);

function render({ model, el }) {
  begin(el, "Bradley–Terry: from two scores to a probability, a loss and a gradient");
  const score = { min: -4, max: 4, step: 0.1, format: signed(1) };
  const chosen = slider(model, "chosen", { label: "chosen score", ...score });
  const rejected = slider(model, "rejected", { label: "rejected score", ...score });
  const margin = slider(model, "margin", { label: "margin", min: 0, max: 3, step: 0.1, format: fixed(1) });
  const step = button("One gradient step (rate 1)", () => {
    const push = -maths.slope(model.get("chosen") - model.get("rejected") - model.get("margin"));
    const within = (value) => Number(Math.min(4, Math.max(-4, value)).toFixed(6));
    model.set("chosen", within(model.get("chosen") + push));
    model.set("rejected", within(model.get("rejected") - push));
    model.save_changes();
  });
  const lead = {
    min: -8,
    max: 8,
    count: 8,
    label: "lead: chosen − rejected − margin (score units)",
    format: signed(0),
  };
  const left = plot({
    width: 430,
    height: 290,
    x: lead,
    label: "Probability of the choice against the lead",
    y: { min: 0, max: 1, label: "probability of this choice" },
  });
  const right = plot({
    width: 430,
    height: 290,
    x: lead,
    label: "Loss against the lead",
    y: { min: 0, max: 8, label: "loss (nats per pair)" },
  });
  const words = says();
  const keys = legend([
    { role: "proxy", text: "probability, loss" },
    { role: "policy", text: "slope of the loss = gradient", dash: "6 3" },
    { colour: "ink", marker: "o", kind: "mark", text: "this pair" },
  ]);
  el.append(
    node("div", { class: "rl-row" }, chosen, rejected, margin, step),
    node("div", { class: "rl-columns" }, left.node, right.node),
    keys,
    words,
  );
  left.line("curve", LEADS.map((d) => [d, maths.probability(d)]), { role: "proxy", width: 2.5 });
  right.line("curve", LEADS.map((d) => [d, maths.loss(d)]), { role: "proxy", width: 2.5 });

  return redrawOn(model, ["chosen", "rejected", "margin"], () => {
    const d = model.get("chosen") - model.get("rejected") - model.get("margin");
    const p = maths.probability(d);
    const loss = maths.loss(d);
    const slope = maths.slope(d);
    left.rule("x", { x: d }, { dash: "2 3" });
    left.rule("y", { y: p }, { dash: "2 3" });
    left.dots("here", [[d, p]], { r: 6 });
    let beside = { dx: 10, dy: 18, anchor: "start" };
    if (p < 0.12) beside = { dx: -8, dy: -10, anchor: "end" };
    if (p > 0.95) beside = { dx: -8, dy: 20, anchor: "end" };
    left.text("value", d, p, fixed(3)(p), { ...beside, weight: 600 });
    right.line("tangent", [[d - 3, loss - 3 * slope], [d + 3, loss + 3 * slope]], { role: "policy", dash: "6 3" });
    right.dots("here", [[d, loss]], { r: 6 });
    right.text("value", d, loss, fixed(3)(loss), {
      dx: d > 6 ? -8 : 10,
      dy: -10,
      anchor: d > 6 ? "end" : "start",
      weight: 600,
    });
    let lesson = "";
    if (p > 0.95) lesson = "A pair that is right already teaches little.";
    if (p < 0.05) lesson = "A pair that is wrong by far pulls with all its weight, also where the label is a mistake.";
    words.textContent =
      `A lead of ${signed(1)(d)} means a choice with probability ${fixed(3)(p)}; the loss is ${fixed(3)(loss)} nats. ` +
      `The gradient is ${signed(3)(slope)} for the chosen score and ${signed(3)(-slope)} for the rejected one: ` +
      `descent pushes them ${fixed(3)(-2 * slope)} apart. ${lesson}`;
    left.say(`at a lead of ${signed(1)(d)} it is ${fixed(3)(p)}`);
    right.say(`at a lead of ${signed(1)(d)} it is ${fixed(3)(loss)} nats, slope ${signed(3)(slope)}`);
  });
}

export default { render, maths };
