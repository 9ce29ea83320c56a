"""An option with a number refuses what is no number, such as NaN, which is neither below nor above a bound."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from soundlift.cli.doctor.command import doctor
from soundlift.cli.size import size
from soundlift.cli.smoke_test import smoke_test
from soundlift.cli.top.command import top


@pytest.mark.parametrize("value", ["nan", "NaN", "-nan", "inf", "-1", "ten"])
@pytest.mark.parametrize(
    ("command", "option"),
    [(top, "--every"), (doctor, "--timeout"), (smoke_test, "--timeout"), (size, "--downloads")],
)
def test_what_is_no_number_between_the_bounds_is_refused(command: click.Command, option: str, value: str) -> None:
    result = CliRunner().invoke(command, [option, value])
    assert result.exit_code == 2, result.output
    assert f"Invalid value for '{option}'" in result.output
