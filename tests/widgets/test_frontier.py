"""The frontier of methods, without a browser."""

import json

import matplotlib.pyplot
import numpy as np
import pytest

from rlhf_lesson.widgets.frontier import Frontier, frontier


def methods():
    """Three methods, two seeds, in the form of benchmarks/results/methods.json."""
    slopes = {"PPO": (0.5, 0.3), "DPO": (0.4, 0.1)}

    def path(method, seed):
        proxy, gold = slopes[method]
        return [
            {"step": 8 * i, "kl": float(i), "proxy": proxy * i + 0.1 * seed, "gold": gold * i + 0.1 * seed}
            for i in range(5)
        ]

    best = [{"n": n, "kl": float(np.log(n)), "proxy": 0.6 * np.log(n), "gold": 0.5 * np.log(n)} for n in (1, 2, 4, 8)]
    seeds = [{"seed": s, "paths": {m: {"0.1": path(m, s)} for m in slopes}, "best of n": best} for s in (0, 1)]
    equal = []
    for method, (proxy, gold) in slopes.items():
        for kl in (1.0, 2.0, 4.0):
            both = {"proxy": proxy * kl, "gold": gold * kl}
            spread = {name: {"min": v, "median": v + 0.05, "max": v + 0.1} for name, v in both.items()}
            equal.append({"method": method, "kl": kl, "seeds": 2, **spread})
    return {"equal_kl": equal, "seeds": seeds}


def test_the_frontier_reads_methods_at_one_kl_highest_first():
    w = Frontier(methods())
    assert w.kls == [1.0, 2.0, 4.0] and w.kl == 2.0 and w.scorers == ["proxy", "gold"]
    assert [(row["method"], round(row["gold"]["median"], 3)) for row in w.at(4.0)] == [("PPO", 1.25), ("DPO", 0.45)]
    w.set_state({"shown": ["DPO", "best of n"], "place": 0, "scorer": "proxy"})
    assert [row["method"] for row in w.at(w.kl)] == ["DPO"] and w.alt() == "Median gain in proxy at 1 nat: DPO +0.45"


def test_every_measured_path_reaches_the_page():
    w = Frontier(methods())
    assert len(w.paths) == 2 * (2 + 1) and {p["method"] for p in w.paths} == {"PPO", "DPO", "best of n"}
    assert next(p for p in w.paths if p["method"] == "best of n")["n"] == [1, 2, 4, 8]
    assert all(p["gold"][0] == p["proxy"][0] == 0.0 for p in w.paths), "each is drawn above its own start"
    json.dumps(w.state(), allow_nan=False)
    assert "Median gain in gold at 2 nats" in w.picture().alt and matplotlib.pyplot.get_fignums() == []
    looks = [tuple(look) for look in w.looks.values()]
    assert len(set(looks)) == len(looks), "two methods look alike"


def test_the_committed_frontier_has_every_method_over_seeds():
    try:
        w = frontier()
    except ValueError as error:
        assert "benchmarks/methods_at_equal_kl.py" in str(error)
        pytest.skip(str(error))
    assert {"PPO", "DPO", "GRPO", "RLOO", "REINFORCE", "best of n"} <= set(w.looks)
    assert len({path["seed"] for path in w.paths}) >= 2


def test_three_hundred_changes_cost_little_memory():
    import resource

    w = Frontier(methods())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(300):
        w.set_state({"place": i % 3, "root": bool(i % 2)})
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 20
