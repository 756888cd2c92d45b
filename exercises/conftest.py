"""What pytest prints below the results of this folder."""


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        "These visible checks help you while you work; they are not the judge, which tries more inputs than they do."
    )
