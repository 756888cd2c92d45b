"""The model's next token, live: type a text, move temperature, top-k and top-p, draw a token.

Leaves out whole responses: a text grows by one token at a time, each drawn in view.
"""

import jax
import jax.numpy as jnp
import numpy as np
import traitlets
from jaxtyping import Float

from rlhf_lesson.models.decoder import Decoder
from rlhf_lesson.models.generate import keep_top_k, keep_top_p, next_logits
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.view import plots
from rlhf_lesson.widgets.look import Widget, css, esm, plain

TEXTS = [  # ours; what a page without a kernel offers
    "the film is",
    "a wonderful",
    "i did not like the",
    "one of the best",
    "one of the worst",
    "the acting is good but the story",
    "if you liked the first film, you",
    "it is never",
    "a love story that",
    "the director",
    "two hours of",
    "this is not a film, it is a",
]


class NextToken(Widget):
    """The distribution that the next token is drawn from.

    Args:
      model, tokenizer: the language model; the shipped base model by default.
      text: what comes before the token.
      temperature: in [0.1, 3].
      top_k: tokens kept, in [0, 50]; 0 keeps all.
      top_p: probability of the nucleus kept, in [0.05, 1]; 1 keeps all.
    """

    _esm, _css = esm("next_token"), css()
    text = traitlets.Unicode(TEXTS[0]).tag(sync=True)
    temperature = traitlets.Float(1.0, min=0.1, max=3.0).tag(sync=True)
    top_k = traitlets.Int(0, min=0, max=50).tag(sync=True)
    top_p = traitlets.Float(1.0, min=0.05, max=1.0).tag(sync=True)
    logits = traitlets.Bytes().tag(sync=True)  # float32, one a token of the vocabulary
    pieces = traitlets.List(traitlets.Unicode()).tag(sync=True)
    examples = traitlets.List([{"text": text} for text in TEXTS]).tag(sync=True)
    live = traitlets.Bool(True).tag(sync=True)  # a kernel answers to typed text

    def __init__(self, model: Decoder | None = None, tokenizer=None, **traits):
        if model is None:
            model, tokenizer = load_base()
        self.model, self.tokenizer = model, tokenizer
        pieces = tokenizer.convert_ids_to_tokens(range(model.config.vocab))
        super().__init__(pieces=[piece or "" for piece in pieces], **traits)
        self.observe(self._read, "text")
        self._read()

    def _read(self, _change=None):
        self.logits = self.logits_after([self.text])[0].tobytes()

    def logits_after(self, texts: list[str]) -> Float[np.ndarray, "batch vocab"]:
        """Logits of the token that follows each text; of a long text the model reads the last tokens."""
        return next_logits(self.model, self.tokenizer, texts)

    def chances(self) -> np.ndarray:
        """What `generate.sample_token` draws from at the present setting: one probability a token."""
        logits = jnp.asarray(np.frombuffer(self.logits, np.float32))[None] / self.temperature
        return np.asarray(jax.nn.softmax(keep_top_p(keep_top_k(logits, self.top_k), self.top_p), axis=-1))[0]

    def state(self) -> dict:
        """Plain JSON for a page: every example comes with its logits, since no kernel will answer."""
        texts = TEXTS if self.text in TEXTS else [self.text, *TEXTS]
        rows = zip(texts, self.logits_after(texts), strict=True)
        examples = [{"text": text, "logits": plain(row.tobytes())} for text, row in rows]
        return super().state() | {"live": False, "examples": examples}

    def figure(self):
        made = plots.figure(7.0, 5.0)
        axes = made.add_subplot()
        own = np.asarray(jax.nn.softmax(jnp.asarray(np.frombuffer(self.logits, np.float32))))
        top = np.argsort(-own)[:20][::-1]
        names = [self.pieces[token].replace("Ġ", "_") for token in top]
        axes.barh(names, own[top], color="#DDDDDD", label="the model's own")
        axes.barh(names, self.chances()[top], height=0.4, **plots.style("policy"), label="sampled from")
        axes.set(xlabel="probability of the next token", title=f"after: {self.text[-60:]}")
        axes.legend()
        return made

    def alt(self) -> str:
        chances = self.chances()
        first = ", ".join(f"{self.pieces[t].replace('Ġ', '_')} {chances[t]:.3f}" for t in np.argsort(-chances)[:5])
        return f"After {self.text!r} {np.sum(chances > 0)} tokens can be drawn; the likeliest are {first}."
