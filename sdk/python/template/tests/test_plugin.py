"""The plain Python of the plugin; `cases/` run in the real engine."""

from millstream.testing import run
from plugin import convert


def test_a_reading_is_converted():
    outcome = run(convert, [{"sensor": " kitchen ", "celsius": 21.5}])
    assert outcome.rows == [{"sensor": "kitchen", "celsius": 21.5, "fahrenheit": 70.7}]


def test_what_cannot_be_true_is_rejected():
    outcome = run(convert, [{"sensor": "oven", "celsius": 61.0}, {"sensor": "cellar", "celsius": None}])
    assert outcome.rejected == {0: "`celsius` is above `celsius_max`", 1: "`celsius` is missing"}
