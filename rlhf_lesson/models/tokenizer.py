"""A byte-level BPE tokenizer that we train ourselves, used through `transformers`' fast tokenizer.

Its chat template is the plainest there is: the course's model continues film reviews.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

PAD, END, BEGIN = "<pad>", "<end>", "<begin>"
GPT2_END = "<|endoftext|>"  # begins and ends the texts of OpenAI's GPT-2
CHAT_TEMPLATE = "{% for m in messages %}\n\n{{ m['role'].capitalize() }}: {{ m['content'] }}{% endfor %}"
CHAT_TEMPLATE += "{% if add_generation_prompt %}\n\nAssistant:{% endif %}"


def train_tokenizer(texts: Iterable[str], *, vocab: int):
    """Learns `vocab` pieces by merging the most frequent pairs of byte sequences (Sennrich et al. 2016, arXiv:1508.07909).

    Args:
      texts: training text, already normalised.
      vocab: pieces in all: 3 special tokens (pad 0, end 1, begin 2), 256 bytes, the rest merges.

    Returns:
      The tokenizer; every text can be encoded, since all bytes are pieces.
    """
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer(add_prefix_space=True)
    bpe.train_from_iterator(texts, vocab_size=vocab, min_frequency=2, special_tokens=[PAD, END, BEGIN])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        pad_token=PAD,
        eos_token=END,
        bos_token=BEGIN,
        chat_template=CHAT_TEMPLATE,
        padding_side="left",
    )


def load_tokenizer(folder: Path | str):
    """The tokenizer of a saved model's folder.

    Args:
      folder: made by a command of this package, or any folder with a tokenizer.json.

    Raises:
      ValueError: the folder has none (transformers would ask its hub), or a broken one: give another folder.
    """
    from transformers import PreTrainedTokenizerFast

    if not (Path(folder) / "tokenizer.json").is_file():
        raise ValueError(
            f"{folder} has no tokenizer.json: give a folder that a command of this package made, or save the model's "
            "tokenizer there with transformers' AutoTokenizer"
        )
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ValueError(f"{folder}: its tokenizer cannot be read ({error}): copy its files again") from error
    if tokenizer.eos_token is None and GPT2_END in tokenizer.get_vocab():
        tokenizer.eos_token = tokenizer.bos_token = GPT2_END  # the hub's gpt2 leaves them to its class in transformers
    return tokenizer


def encode(tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, without special tokens.

    Args:
      tokenizer: of the model.
      texts: any number of them.
    """
    return tokenizer(list(texts), add_special_tokens=False)["input_ids"] if texts else []


def decode(tokenizer, tokens, mask) -> list[str]:
    """The text of each row's real tokens, without special tokens.

    Args:
      tokenizer: of the model.
      tokens: token ids, one row per text.
      mask: True on real tokens.
    """
    rows = (np.asarray(row)[np.asarray(keep)] for row, keep in zip(tokens, mask, strict=True))
    return [tokenizer.decode(row.tolist(), skip_special_tokens=True).strip() for row in rows]
