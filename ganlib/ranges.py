"""Ranges of values: functions of a value that give "", or in words what was expected."""
import json
import math

from .errors import did_you_mean
from .typed import names_of


def at_least(low, words=""):
    return lambda value: "" if low <= value < math.inf else words or f"at least {low}"


def zero_or_more(value):
    return "" if 0 <= value < math.inf else "zero or more"


def positive(words):
    return lambda value: "" if 0 < value < math.inf else words


def zero_or_above_1(value):
    return "" if value == 0 or 1 < value < math.inf else "more than 1, or 0 for off"


def share(value):
    return "" if 0 <= value < 1 else "a value in [0, 1)"


def from_0_to_1(words):
    return lambda value: "" if 0 <= value <= 1 else words


def one_of(names):
    return lambda value: "" if value in names else f"a name that is known.{did_you_mean(value, names)[:-1]}"


def one_number_of(numbers):
    return lambda value: "" if value in numbers else f"one of {numbers}"


def seed_range(value):
    return "" if 0 <= value < 2**63 else "a whole number from 0 to 2^63 - 1"


def thread_count(value):
    is_number = str(value).isdecimal() and 1 <= int(value) <= 1_024
    return "" if value == "auto" or is_number else "'auto' or a number of threads, from 1 to 1,024"


def names_once(value):
    return "" if len(names_of(value)) == len(set(names_of(value))) else "names, each of them once"


def lists_of_names(value):
    try:
        lists = json.loads(value or "{}").values()
        fits = all(isinstance(name, str) for names in lists for name in names) and all(lists)
    except (ValueError, TypeError, AttributeError):
        fits = False
    return "" if fits else 'lists of names as JSON, such as {"hair": ["pink", "blue"]}'


def anything(value):
    return ""
