"""Models with their tokenizers: the one that ships, foreign folders that do or don't fit, and a hub that stands on this machine."""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import foreign
import jax
import numpy as np
import pytest
import tiny
from flax import nnx

from rlhf_lesson.models import pretrained
from rlhf_lesson.models.checkpoint import load_model, save_model
from rlhf_lesson.models.folders import Stored
from rlhf_lesson.models.generate import generate
from rlhf_lesson.models.llama import Llama, LlamaConfig
from rlhf_lesson.models.pretrained import add_pad, hub_folder, load_base, smollm2
from rlhf_lesson.train.checks import same_tree


def test_the_model_that_ships_comes_with_a_tokenizer_of_its_size():
    model, tokenizer = load_base()
    assert model.config.vocab == len(tokenizer) and tokenizer.pad_token_id == 0


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_base(tmp_path)


# ---- model and tokenizer -------------------------------------------------------------------------


def with_tokenizer(folder, stored=None, *, ids=48, tokens=None, **settings):
    """A foreign folder with a tokenizer."""
    foreign.write(folder, stored or foreign.weights(), **settings)
    foreign.tokenizer(ids, **(tokens or {})).save_pretrained(folder)
    return folder


def with_spare_rows(rows=16):
    """Weights whose embedding has more rows than the tokenizer has ids, and all of them likely."""
    stored = foreign.weights()
    name = "transformer.wte.weight"
    return stored | {name: np.concatenate([stored[name], 9.0 * stored[name][:rows]])}


def test_a_row_of_the_embedding_that_has_no_token_is_never_sampled(tmp_path):
    folder = with_tokenizer(tmp_path, with_spare_rows(), vocab_size=64)
    prompts = tiny.prompts(64)
    drawn = {}
    for name, model in {"plain": load_model(folder), "with its tokenizer": load_base(folder)[0]}.items():
        samples = generate(model, prompts.tokens, prompts.mask, jax.random.key(0), response=8, end_id=1, pad_id=0)
        drawn[name] = int(samples.tokens.max())
    assert drawn["plain"] >= 48 > drawn["with its tokenizer"]


def test_among_the_ids_that_have_a_token_the_probabilities_keep_their_proportions(tmp_path):
    folder = with_tokenizer(tmp_path, with_spare_rows(), vocab_size=64)
    tokens, mask = foreign.padded([[5, 9, 11]], 3)
    np.testing.assert_allclose(
        load_base(folder)[0](tokens, mask), load_model(folder)(tokens, mask)[..., :48], atol=1e-5
    )


@pytest.mark.parametrize(
    ("ids", "tokens", "why"),
    [
        (50, {}, r"the tokenizer has 50 ids and the model 48: call `resize_token_embeddings"),
        (48, {"pad_token": "<end>"}, "<end> as pad_token and as end or begin"),
        (48, {"pad_token": None}, "no pad_token, so a model could not learn when to stop"),
        (48, {"bos_token": "<pad>"}, "<pad> as pad_token and as end or begin"),
        (48, {"eos_token": None}, "no eos_token"),
        (48, {"bos_token": None}, "no bos_token"),
    ],
)
def test_a_tokenizer_that_does_not_fit_is_refused_before_any_training(tmp_path, ids, tokens, why):
    with pytest.raises(ValueError, match=why) as refusal:
        load_base(with_tokenizer(tmp_path, ids=ids, tokens=tokens))
    assert str(tmp_path) in str(refusal.value)


def test_a_gap_among_the_ids_of_a_tokenizer_is_refused(tmp_path):
    with_tokenizer(tmp_path)
    file = tmp_path / "tokenizer.json"
    said = json.loads(file.read_text())
    del said["model"]["vocab"]["w7"]
    file.write_text(json.dumps(said))
    with pytest.raises(ValueError, match="no token of id 7"):
        load_base(tmp_path)


@pytest.mark.parametrize("pad", [None, "<end>"])
def test_the_refusal_of_a_pad_names_a_line_that_mends_it(tmp_path, monkeypatch, pad):
    folder = with_tokenizer(tmp_path / "it's", tokens={"pad_token": pad})
    if pad is None:  # no id of the model is left for it
        foreign.tokenizer(48, pad_token=None).save_pretrained(folder)
        text = (folder / "tokenizer.json").read_text()
        (folder / "tokenizer.json").write_text(text.replace("<pad>", "word"))
    with pytest.raises(ValueError, match="in Python") as refusal:
        load_base(folder)
    monkeypatch.chdir(tmp_path)
    exec(str(refusal.value).partition("in Python: ")[2])
    model, tokenizer = load_base("with-pad")
    assert tokenizer.pad_token == "<pad>" and tokenizer.pad_token_id != tokenizer.eos_token_id
    assert model.config.vocab == len(tokenizer) == (49 if pad is None else 48)
    tokens, mask = foreign.padded([[5, 9, 11]], 3)
    np.testing.assert_allclose(model(tokens, mask)[..., :48], load_model(folder)(tokens, mask), atol=1e-5)
    if pad is None:
        np.testing.assert_allclose(model(tokens, mask)[..., 48], load_model(folder)(tokens, mask).mean(-1), atol=1e-4)


def test_a_saved_model_notes_the_special_tokens_of_its_own_tokenizer(tmp_path):
    save_model(tiny.model(), tmp_path, tokenizer=foreign.tokenizer(pad_token="w9", eos_token="w7", bos_token="w5"))
    said = json.loads((tmp_path / "config.json").read_text())
    assert [said[f"{name}_token_id"] for name in ("pad", "eos", "bos")] == [9, 7, 5]
    assert load_base(tmp_path)[1].eos_token_id == 7


# ---- Llamas --------------------------------------------------------------------------------------

LLAMA = LlamaConfig(48, 32, layers=2, heads=4, context=24, kv_heads=2, head_dim=8, hidden=64)


@pytest.mark.parametrize("tied", [True, False])
def test_a_llama_whose_pad_is_its_end_gets_a_pad_of_its_own_with_likely_logits(tmp_path, tied):
    model = Llama(LLAMA._replace(tied=tied), rngs=nnx.Rngs(0))
    save_model(model, tmp_path / "old")
    foreign.tokenizer(48, pad_token=None).save_pretrained(tmp_path / "old")
    text = (tmp_path / "old" / "tokenizer.json").read_text()
    (tmp_path / "old" / "tokenizer.json").write_text(text.replace("<pad>", "word"))
    with pytest.raises(ValueError, match="add_pad"):
        load_base(tmp_path / "old")
    add_pad(tmp_path / "old", tmp_path / "new")
    made, tokenizer = load_base(tmp_path / "new")
    assert made.config.vocab == len(tokenizer) == 49 and tokenizer.pad_token_id == 48
    tokens, mask = foreign.padded([[5, 9, 11]], 3)
    np.testing.assert_allclose(made(tokens, mask)[..., :48], model(tokens, mask), atol=1e-5)
    np.testing.assert_allclose(made(tokens, mask)[..., 48], model(tokens, mask).mean(-1), atol=1e-4)


def test_the_name_smollm2_means_the_fetched_file_unless_a_folder_has_that_name(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_LESSON_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for load in (smollm2, lambda: load_base("smollm2"), lambda: load_base(tmp_path / "other.gguf")):
        with pytest.raises(
            ValueError, match=r"\.gguf is missing: run `python -m rlhf_lesson data fetch --model smollm2`"
        ):
            load()
    model, read = Llama(LLAMA, rngs=nnx.Rngs(0)), []

    def read_gguf(path):
        read.append(path)
        return Stored("llama", LLAMA, foreign.weights(model), "mean"), foreign.tokenizer()

    monkeypatch.setattr(pretrained, "read_gguf", read_gguf)
    assert all(same_tree(found, model) for found, _ in (smollm2(), load_base("smollm2")))
    assert read == [pretrained.smollm2_file()] * 2
    with_tokenizer(tmp_path / "smollm2")
    assert load_base("smollm2")[0].config == load_model(tmp_path / "smollm2").config


# ---- by name -------------------------------------------------------------------------------------


def test_a_model_by_name_says_what_to_install_where_the_hub_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for load in (hub_folder, load_base):
        with pytest.raises(ValueError, match=r'pip install "rlhf-lesson\[hub\]"'):
            load("somebody/something")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on this machine for the real client: it serves one model, owner/tiny; gives the paths that were asked for."""
    huggingface_hub = pytest.importorskip("huggingface_hub")
    files = {file.name: file.read_bytes() for file in with_tokenizer(tmp_path / "served").iterdir()}
    files["notes.md"] = files["pytorch_model.bin"] = b"never asked for"
    commit, asked = "a" * 40, []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            file = re.fullmatch(rf"/owner/tiny/resolve/{commit}/(\S+)", self.path)
            if re.match(r"/api/models/owner/tiny(/revision/main)?$", self.path):
                siblings = [{"rfilename": name} for name in files]
                self.answer(json.dumps({"id": "owner/tiny", "sha": commit, "siblings": siblings}).encode())
            elif self.path.startswith(f"/api/models/owner/tiny/tree/{commit}"):
                rows = [{"type": "file", "path": n, "size": len(b), "oid": n.encode().hex()} for n, b in files.items()]
                self.answer(json.dumps(rows).encode())
            elif file and file[1] in files:
                self.answer(files[file[1]], ETag=f'"{file[1].encode().hex()}"')
            else:
                self.answer(b'{"error": "Repository not found"}', 404, **{"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET

        def answer(self, body, status=200, **headers):
            self.send_response(status)
            for name, value in {"Content-Length": len(body), "X-Repo-Commit": commit, **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    constants = huggingface_hub.constants
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.chdir(tmp_path)
    yield asked
    server.shutdown()
    server.server_close()


def test_a_model_is_fetched_by_its_name_once_and_without_what_is_not_read(hub):
    model, tokenizer = load_base("owner/tiny")
    assert same_tree(model, tiny.model(dropout=0.1)) and len(tokenizer) == 48
    fetched = {path.rpartition("/")[2] for path in hub if "/resolve/" in path}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert not fetched & {"notes.md", "pytorch_model.bin"}
    hub.clear()
    assert same_tree(load_base("owner/tiny")[0], model)
    assert not [path for path in hub if "/resolve/" in path]


def test_a_name_that_the_hub_does_not_know_ends_in_a_sentence(hub):
    with pytest.raises(
        ValueError, match=r"^owner/other is no folder here, and the hub does not give a model of that name: \S"
    ):
        load_base("owner/other")


def test_a_path_is_never_asked_of_the_hub(hub, tmp_path):
    (tmp_path / "runs").mkdir()
    for path in ("runs/misspelt", "demo/models/sft", "misspelt", "../up", tmp_path / "none"):
        with pytest.raises(ValueError, match=r"has no config\.json"):
            load_base(path)
    assert hub == []
