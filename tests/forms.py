"""A few rows of every form in which people keep feedback, all written for these tests."""

import csv
import gzip
import json


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def parts(message):
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


ASKED = [f"Which film should I see on day {i}?" for i in range(12)]
GOOD = [f"See the quiet comedy number {i}." for i in range(12)]
BAD = [f"No idea {i}." for i in range(12)]
SAID = list(zip(ASKED, GOOD, BAD, strict=True))

FORMS = {  # name -> (format that is found, rows)
    "TRL standard": ("pair", [{"prompt": q, "chosen": a, "rejected": b} for q, a, b in SAID]),
    "TRL implicit prompt": ("implicit", [{"chosen": f"{q} {a}", "rejected": f"{q} {b}"} for q, a, b in SAID]),
    "TRL conversational": (
        "conversation",
        [{"prompt": [user(q)], "chosen": [assistant(a)], "rejected": [assistant(b)]} for q, a, b in SAID],
    ),
    "TRL conversational, implicit prompt": (
        "conversation",
        [{"chosen": [user(q), assistant(a)], "rejected": [user(q), assistant(b)]} for q, a, b in SAID],
    ),
    "messages beside full lists": (
        "conversation",
        [
            {"prompt": [user(q)], "chosen": [user(q), assistant(a)], "rejected": [user(q), assistant(b)]}
            for q, a, b in SAID
        ],
    ),
    "text as content parts": (
        "conversation",
        [
            {"prompt": [parts(user(q))], "chosen": [parts(assistant(a))], "rejected": [parts(assistant(b))]}
            for q, a, b in SAID
        ],
    ),
    "UltraFeedback binarized": (
        "conversation",
        [
            {
                "prompt": q,
                "prompt_id": str(i),
                "chosen": [user(q), assistant(a)],
                "rejected": [user(q), assistant(b)],
                "messages": [user(q), assistant(a)],
                "score_chosen": 8.5,
                "score_rejected": 3.0,
            }
            for i, (q, a, b) in enumerate(SAID)
        ],
    ),
    "hh-rlhf": (
        "implicit",
        [
            {"chosen": f"\n\nHuman: {q}\n\nAssistant: {a}", "rejected": f"\n\nHuman: {q}\n\nAssistant: {b}"}
            for q, a, b in SAID
        ],
    ),
    "KTO labels": (
        "label",
        [{"prompt": q, "completion": text, "label": text == a} for q, a, b in SAID for text in (a, b)],
    ),
    "KTO labels on messages": (
        "label",
        [
            {"prompt": [user(q)], "completion": [assistant(text)], "label": text == a}
            for q, a, b in SAID
            for text in (a, b)
        ],
    ),
    "votes": (
        "vote",
        [{"prompt": q, "response_a": b, "response_b": a, "vote": "B", "annotator": "ann"} for q, a, b in SAID],
    ),
    "rankings": (
        "ranking",
        [{"prompt": q, "responses": [b, a, "What?"], "ranking": [1, 0, 2]} for q, a, b in SAID],
    ),
    "ratings": (
        "rating",
        [
            {"prompt": q, "response": text, "rating": 5 if text == a else 1, "annotator": "ann"}
            for q, a, b in SAID
            for text in (a, b)
        ],
    ),
    "Alpaca preferences": (
        "pair",
        [{"instruction": "Answer.", "input": q, "chosen": a, "rejected": b} for q, a, b in SAID],
    ),
}

DEMONSTRATIONS = {
    "TRL prompt and completion": ("completion", [{"prompt": q, "completion": a} for q, a, _ in SAID]),
    "prompt and completion as messages": (
        "completion",
        [{"prompt": [user(q)], "completion": [assistant(a)]} for q, a, _ in SAID],
    ),
    "messages": ("chat", [{"messages": [user(q), assistant(a)]} for q, a, _ in SAID]),
    "messages with text in parts": ("chat", [{"messages": [parts(user(q)), parts(assistant(a))]} for q, a, _ in SAID]),
    "ShareGPT": (
        "chat",
        [{"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]} for q, a, _ in SAID],
    ),
    "Alpaca": ("instruction", [{"instruction": "Answer.", "input": q, "output": a} for q, a, _ in SAID]),
    "Dolly": (
        "instruction",
        [{"instruction": "Answer.", "context": q, "response": a, "category": "qa"} for q, a, _ in SAID],
    ),
}


def write(path, rows):
    """Rows as a file of the kind that its name says."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind in ("csv", "tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            table.writeheader()
            table.writerows(rows)
        return path
    text = json.dumps(rows, indent=1) if kind == "json" else "".join(json.dumps(row) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path
