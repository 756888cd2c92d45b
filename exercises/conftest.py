"""What pytest says below the results of this folder."""


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        "These visible checks help you; they are not the judge, who tries more inputs than they do."
    )
