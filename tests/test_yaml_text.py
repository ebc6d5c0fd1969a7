import pytest

from wm_planner.errors import ConfigError
from wm_planner.yaml_text import MAX_DEPTH, MAX_VALUES, parse


def alias_bomb(levels: int) -> str:
    """Lists of nine aliases of the list before: 9 ** levels values in 40 bytes per level."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_text_becomes_plain_values():
    text = "a: 1\nb: [0.5, x, null]\nc: &c {d: 2020-02-03}\ne: *c\n"
    values = parse(text, "here")
    assert (values["a"], values["b"], values["e"] is values["c"]) == (1, [0.5, "x", None], True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1", r", line 1: not valid YAML"),
        ("a: 1\nb: " + "9" * 6000, r", line 2: not valid YAML \('9{39}\.\.\. is not a valid int\)"),
        ("a: !!int x", "'x' is not a valid int"),
        ("a: !!int ''", "'' is not a valid int"),
        ("a: !!float x", "'x' is not a valid float"),
        ("a: !!bool x", "'x' is not a valid bool"),
        ("a: !!timestamp x", "'x' is not a valid timestamp"),
        ("a: 2001-99-99", "'2001-99-99' is not a valid timestamp"),
        (r'a: "\ud800"', r"is not a valid str"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: =", "could not determine a constructor"),
        ("{[a]: b}", "unhashable key"),
        ("a: \0", "special characters are not allowed"),
        ("a: &a [*a]", "an alias refers to a value that contains it"),
        ("a: &a {b: *a}", "an alias refers to a value that contains it"),
        ("[" * 3000 + "]" * 3000, f"nested deeper than {MAX_DEPTH} levels"),
        ("- " * 3000, f"nested deeper than {MAX_DEPTH} levels"),
        (alias_bomb(9), f"more than {MAX_VALUES} values"),
    ],
)
def test_unusable_text_is_refused_with_the_reason(text, problem):
    with pytest.raises(ConfigError, match=f"^x.yaml.*{problem}"):
        parse(text, "x.yaml")


def test_documents_within_the_limits_are_read():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")
    assert len(parse(alias_bomb(4), "x")) == 4


@pytest.mark.parametrize(
    "text, value", [("1e-3", 0.001), ("-2E+3", -2000.0), ("71580e6", "71580e6"), ("e-3", "e-3")]
)
def test_a_number_without_a_point_is_a_number_if_its_exponent_has_a_sign(text, value):
    assert parse(f"rate: {text}", "here") == {"rate": value}
