"""Values of a type, from the texts of a shell and the numbers of JSON."""
from .errors import GanlibError

BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def typed(name, value, kind):
    """`value` as a bool, an int, a float or a str, whichever is `kind`.

    name: what the value is called, for the error. A whole number may be written as 1e6 or 10.0; a truth value
    as true, yes or 1. Raises GanlibError for what is none of that type.
    """
    try:
        if kind is bool and isinstance(value, str):
            return BOOLEANS[value.lower()]
        if isinstance(value, bool) == (kind is bool) and (kind is not str or isinstance(value, str)):
            return _whole(value) if kind is int else kind(value)
    except (ValueError, KeyError, TypeError, OverflowError):
        pass
    raise GanlibError(f"{name}={value!r}: expected a value of type {kind.__name__}.")


def _whole(value):
    """A whole number from an int, a float without a fraction, or text; "1e6" and "-3" are such texts."""
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().lstrip("+-").isdigit():
        return int(value)
    if float(value) != int(float(value)):
        raise ValueError
    return int(float(value))


def names_of(text):
    """The names in a text such as "color,translation"."""
    return [name.strip() for name in text.split(",") if name.strip()]


def steps_of(text, name="table"):
    """{resolution: number} of a table such as "8:150 16:450"; name: what it is called, for the error."""
    try:
        return {int(r): float(v) for r, v in (item.split(":") for item in text.split())}
    except ValueError:
        raise GanlibError(
            f"{name}={text!r}: expected resolution:number pairs such as '8:150 16:450'.") from None
