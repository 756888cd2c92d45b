"""An independent judge: VADER's rule-based sentiment, which no model of this course was trained on.

It is independent, not better: of random pairs of movie sentences it agrees with the crowd's mean in 66 %, one reader in
90 %. Leaves out judges that need a network or an account; any Python function of text can stand in its place.
"""

from functools import cache


@cache
def _analyzer():
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # 0.1 s: only where it is used

    return SentimentIntensityAnalyzer()


def vader_score(text: str) -> float:
    """Sentiment of a text by rules and a lexicon, from -1 (negative) to 1 (positive).

    Source: Hutto & Gilbert 2014, the `compound` score.
    """
    return _analyzer().polarity_scores(text)["compound"]
