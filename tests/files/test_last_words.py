"""What is told of a run's errors at its end: from records as Snakemake makes them."""

import logging

import pytest

from dropnet.last_words import LOCKED, MOST, LastWords

FILES = ["results/preview/report.html", "figures/preview/fig03.png", "figures/paper/fig03.png"]


def record(message, level=logging.ERROR, **extra):
    made = logging.LogRecord("snakemake", level, "", 0, message, (), None)
    made.__dict__ |= extra
    return made


def told(*records):
    last_words, logger = LastWords(lambda: FILES), logging.Logger("snakemake")
    logger.addHandler(last_words)
    for one in records:
        logger.handle(one)
    return last_words.told()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("fig03", " (did you mean 'figures/preview/fig03.png'?)"),
        ("results/preview/reports.html", " (did you mean 'results/preview/report.html'?)"),
        ("x", ""),
    ],
)
def test_a_target_that_no_rule_makes_is_told_in_a_line_with_the_nearest(name, hint):
    message = f"MissingRuleException:\nNo rule to produce {name} (if you use input functions make"
    line = told(record(message, exception="MissingRuleException"))
    assert line.startswith(f"error: target {name!r}: no rule makes it{hint}; allowed: ")
    assert line.count("\n") == 1


def test_a_locked_folder_is_told_with_the_way_out():
    assert told(record("LockException:\n...", exception="LockException")) == f"{LOCKED}\n"


def test_of_a_job_that_failed_the_last_error_of_its_log_is_told_once(tmp_path):
    log, none = tmp_path / "log.txt", tmp_path / "none.txt"
    log.write_text("starting\nerror: a first\nerror: too little\nan end\n")
    none.write_text("nothing of the kind\n")
    failed = record("Error in rule x", log=[str(log), str(none), str(tmp_path / "absent")])
    assert told(failed, failed) == "error: too little\n"


def test_what_an_input_function_refuses_is_told_without_its_traceback():
    message = "InputFunctionException in rule x:\nError:\n  WorkflowError:\n    error: no run y\n"
    message += "Traceback:\n"
    assert told(record(message, exception="InputFunctionException")) == "error: no run y\n"


def test_of_many_errors_the_first_are_told_and_how_many_there_were():
    lines = told(*(record(f"error: {n}") for n in range(MOST + 3))).splitlines()
    assert lines == [*(f"error: {n}" for n in range(MOST)), "error: and 3 more, above"]


def test_nothing_is_told_of_what_is_no_error():
    assert told(record("error: in a warning", logging.WARNING), record("job done")) == ""
