"""Every exercise of the course by name, in the order of the course; the file of an exercise has the exercise's name.

The code that runs an exercise is in course/exercise.py and grading/.
"""

from dataclasses import replace
from importlib import import_module

# The names of each chapter's exercises; a chapter's number is its place here.
CHAPTERS = (
    "masked_mean discounted_returns next_width".split(),
    (
        "token_logprobs sequence_logprob looks_ahead entropy keep_top_k keep_top_p sample_token chunked_token_logprobs"
    ).split(),
    "response_mask cross_entropy_loss parse_instruction render messages_of".split(),
    (
        "pairs_from_ratings pairs_from_ranking percent_agreement cohen_kappa nominal_distance interval_distance "
        "krippendorff_alpha win_probability bradley_terry_strengths"
    ).split(),
    (
        "bradley_terry_loss plackett_luce_loss pairwise_accuracy calibration normalise_score length_bias cautious_score "
        "last_token_state linear_bradley_terry"
    ).split(),
    (
        "exact_kl k1 k2 k3 tilted_policy best_of_n_kl_bound best_of_n_logprobs best_of_n_kl best_of_n_estimate "
        "best_of_n"
    ).split(),
    (
        "policy_gradient_loss kl_shaped_rewards missing_end_penalty gae masked_whiten ppo_clip_loss value_clip_loss "
        "adaptive_kl_coef"
    ).split(),
    "distinct best_of_n_form rl_form fit best_of_n_peak rl_peak".split(),
    "noise_temperature label choice_entropy information_gain most".split(),
    "dpo_loss leave_one_out group_advantages".split(),
    "rms_norm rotate grouped_attention swiglu lora".split(),
)

EXERCISES = {
    name: replace(import_module(f"rlhf_lesson.course.specs.{name}").EXERCISE, chapter=number)
    for number, names in enumerate(CHAPTERS)
    for name in names
}
