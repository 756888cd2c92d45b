"""What each command of the command line does: load, train through `runs`, save, and return numbers to print.

Leaves out the options, which stand in __main__.py, and the equations, which stand below the loops.
"""

import sys
from dataclasses import asdict

import jax

from rlhf_lesson.data import feedback
from rlhf_lesson.models.checkpoint import save_model
from rlhf_lesson.models.gpt2 import GPT2, ScalarModel
from rlhf_lesson.models.pretrained import load_base
from rlhf_lesson.models.vader import vader_score
from rlhf_lesson.study import demo as chain
from rlhf_lesson.study import evaluate
from rlhf_lesson.study import pretrain as base_model
from rlhf_lesson.train import ppo as ppo_loop
from rlhf_lesson.train import reward_model
from rlhf_lesson.train import sft as sft_loop
from rlhf_lesson.train.runs import run


def demo(command) -> None:
    results, rows = chain.run(command.config, command.out)
    print(chain.tell(results, rows, command.out))


def data(command) -> dict:
    """Fetches the ratings and counts them."""
    folder = feedback.fetch()
    names = (feedback.MOVIES, feedback.AMAZON, feedback.NYT, feedback.TWEETS)
    return {"folder": str(folder), **{name: len(feedback.load(name)) for name in names}}


def course(command) -> dict:
    """Trains the chapters' models if they are not there yet."""
    from rlhf_lesson.study import chain as models

    models.trained_chain()
    return {"folder": str(models.folder(chain.Config()))}


def grade(command) -> None:
    """Marks a class; the exit code says how it went (see Grade)."""
    from rlhf_lesson.course.specs import EXERCISES
    from rlhf_lesson.grading.run import course_key, grade

    options = dict(jobs=command.jobs, only=command.only, regrade=command.regrade, seconds=command.seconds)
    options |= dict(chapters=command.chapters, unsafe=command.unsafe)
    key = course_key(command.key)
    sys.exit(grade(command.submissions, command.out, key, EXERCISES, **options))


def gradescope(command) -> dict:
    from rlhf_lesson.grading.gradescope import make_zip
    from rlhf_lesson.grading.run import course_key

    make_zip(command.out, course_key(command.key))
    return {"zip": str(command.out)}


def page(command) -> dict:
    from rlhf_lesson.widgets.page import write

    return write(command.out)


def _policy(folder):
    """(policy, tokenizer) of a folder; ValueError if a reward model lies there."""
    model, tokenizer = load_base(folder)
    if not isinstance(model, GPT2):
        raise ValueError(f"{folder} holds a reward model: give a folder that `pretrain`, `sft` or `ppo` made")
    return model, tokenizer


def _scorers(command, tokenizer) -> dict[str, ScalarModel]:
    """The reward models of a command; ValueError if one is none, or reads other tokens than the policy writes."""
    scorers = {}
    for name, folder in {"proxy": command.proxy, "gold": command.gold}.items():
        scorers[name], words = load_base(folder)
        if not isinstance(scorers[name], ScalarModel):
            raise ValueError(f"{folder} holds a language model without a reward head: give a folder that `reward` made")
        if words.get_vocab() != tokenizer.get_vocab():
            raise ValueError(f"{folder} has another tokenizer than the policy: train both from the same base model")
    return scorers


def _finish(command, model, tokenizer, results: dict) -> dict:
    save_model(model, command.out / "model")
    tokenizer.save_pretrained(command.out / "model")
    return {**results, "model": str(command.out / "model")}


def _drive(command, name: str, make):
    """Runs a loop through `runs.run` with the options of the command; returns its last state."""
    state = None
    how = ("out", "resume", "every", "track", "config")  # how to run; the rest is what to run, and must not change
    what = {key: value for key, value in vars(command).items() if key not in how}
    settings = {**what, **asdict(command.config)}
    options = dict(resume=command.resume, every=command.every, track=command.track, config=settings)
    for state, *_ in run(make, command.out, name=name, **options):
        pass
    return state


def pretrain(command) -> dict:
    return base_model.run(command.config, command.out, drive=lambda make: _drive(command, "pretrain", make))


def sft(command) -> dict:
    base, tokenizer = _policy(command.base)
    data, pad_id = chain.Data(tokenizer, 0), tokenizer.pad_token_id
    examples = data.sft("gold", "proxy")
    steps = lambda state: sft_loop.train(command.config, base, examples, pad_id=pad_id, state=state)  # noqa: E731
    model = _drive(command, "sft", steps).model
    return _finish(
        command, model, tokenizer, {"val_loss": sft_loop.validation_loss(model, data.sft("eval"), pad_id=pad_id)}
    )


def reward(command) -> dict:
    base, tokenizer = _policy(command.base)
    data, pad_id = chain.Data(tokenizer, 0), tokenizer.pad_token_id
    if command.gold:
        examples, objective = data.rated("gold"), reward_model.rating_objective
    else:
        pairs = data.choices(command.pairs, "proxy", seed=command.config.seed)
        examples, objective = data.comparisons(pairs), reward_model.bradley_terry_objective
    how = dict(pad_id=pad_id, objective=objective)
    model = _drive(
        command, "reward", lambda state: reward_model.train(command.config, base, examples, state=state, **how)
    ).model
    held_out = data.choices(4000, "eval", seed=1000)
    results = {
        "accuracy_single_rater": chain.reward_accuracy(model, data, held_out),
        "correlation_with_raters": chain.rater_correlation(model, data),
    }
    return _finish(command, model, tokenizer, results)


def ppo(command) -> dict:
    policy, tokenizer = _policy(command.policy)
    scorers = _scorers(command, tokenizer)
    data = chain.Data(tokenizer, 0)
    ids = dict(pad_id=tokenizer.pad_token_id, end_id=tokenizer.eos_token_id)
    prompts = data.prompts("gold", "proxy")
    steps = lambda state: ppo_loop.train(  # noqa: E731
        command.config, policy, prompts, scorers, critic=scorers["proxy"], state=state, **ids
    )
    tuned = _drive(command, "ppo", steps).policy
    results = _compare(tuned, policy, scorers, data, 256, command.config.seed)
    return _finish(command, tuned, tokenizer, results)


def _compare(policy, reference, scorers, data: chain.Data, prompts: int, seed: int) -> dict:
    config = chain.Config(prompts=prompts, seed=seed)
    samples = chain.compare(config, {"sft": reference, "ppo": policy}, scorers, data)
    return chain.summary(samples["sft"], samples["ppo"])


def eval(command) -> dict:
    policy, tokenizer = _policy(command.policy)
    reference, _ = _policy(command.reference)
    scorers = _scorers(command, tokenizer)
    return _compare(policy, reference, scorers, chain.Data(tokenizer, 0), command.prompts, command.seed)


def bestofn(command) -> dict:
    policy, tokenizer = _policy(command.policy)
    scorers = _scorers(command, tokenizer)
    prompts = chain.held_out_prompts(chain.Data(tokenizer, 0), command.prompts)
    pool = evaluate.sample(
        policy,
        policy,
        scorers,
        evaluate.repeat_prompts(prompts, command.pool),
        jax.random.key(command.seed),
        tokenizer,
        response=ppo_loop.Config().response,
        text_scorers={"judge": vader_score},
    )
    return {"bestofn": evaluate.best_of_n_curve(pool, command.pool, chain.powers_of_two(command.pool))}
