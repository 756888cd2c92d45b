"""The class at a glance: who could not be read, who is missing, each chapter's mean."""

from grading.made_results import of_chapters
from rlhf_lesson.grading.roster import Person, Roster
from rlhf_lesson.grading.summary import ending, summary

ANN = of_chapters("ann", ("gae", 6, 4.0, ""), ("k1", 5, 1.0, "raised"))
BOB = of_chapters("bob", ("gae", 6, 2.0, "raised"), ("k1", 5, 0.0, "grader-error"))
LOST = of_chapters(
    "li", ("gae", 6, 0.0, "unreadable"), ("k1", 5, 0.0, "unreadable"), unreadable="hw.pdf is no notebook"
)


def test_the_summary_names_chapters_and_who_could_not_be_read():
    told = summary([ANN, BOB, LOST])
    assert told["chapters"] == {"5": {"mean_points": 0.5, "out_of": 4.0}, "6": {"mean_points": 2.0, "out_of": 4.0}}
    assert (told["unreadable"], told["not_readable"], told["open"]) == (1, ["li"], ["bob"])
    assert "missing" not in told, "nobody can be missing without a roster"
    assert told["exercises"]["gae"]["tried"] == 2 and told["exercises"]["gae"]["right"] == 1


def test_with_a_roster_the_summary_names_who_is_missing_and_who_is_unknown():
    people = [Person("Ann Lee", "1", "ann@uni.example"), Person("Dan Ode", "2", "dan@uni.example")]
    told = summary([ANN, LOST], Roster(people, [ANN, LOST]))
    assert told["missing"] == ["Dan Ode 2 dan@uni.example"] and told["not_in_roster"] == ["li"]
    lines = ending(told).splitlines()
    assert lines[0] == "2 submissions, 1 unreadable, 0 with open marks"
    assert "  handed in nothing: Dan Ode 2 dan@uni.example" in lines and "  not readable: li" in lines
