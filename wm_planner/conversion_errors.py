"""Why values do not convert to a struct, in words: what was got, what was wanted, which names are known."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from wm_planner.errors import did_you_mean

_UNKNOWN = re.compile(r"unknown field `([^`]+)`")
_MISSING = re.compile(r"missing required field `([^`]+)`")
_MISMATCH = re.compile(r"Expected `[^`]+`(?P<bound>.*?)(?:, got `?(?P<got>[^`]+)`?)?")

_UNKNOWN_VALUE = object()


def problem_of(reason: str, path: str, to: type[msgspec.Struct], values: Any, also: Iterable[str]) -> str:
    """What msgspec found at `path`, in words: what was got, what was wanted, and which names there are."""
    got, wanted = _got(values, path), _type_at(to, path, values)
    names = _names(_member(wanted, got))
    if unknown := _UNKNOWN.search(reason):
        names = names if path else (*names, *also)
        return f"unknown key '{unknown[1]}', {did_you_mean(unknown[1], names)}"
    if missing := _MISSING.search(reason):
        return f"the key '{missing[1]}' is missing"
    if reason.startswith("Invalid enum value"):
        return f"got {_shown(got)}, {did_you_mean(str(got), names)}"
    if mismatch := _MISMATCH.fullmatch(reason):
        shown = _MSGSPEC_NOUNS.get(mismatch["got"], "another") if got is _UNKNOWN_VALUE else _shown(got)
        bound = "" if isinstance(wanted, msgspec.inspect.TupleType) else mismatch["bound"]
        return f"got {shown}, wanted {_in_words(wanted)}{bound}"
    return reason


def _shown(value: Any) -> str:
    """A value as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _in_words(info: msgspec.inspect.Type, plural: bool = False) -> str:
    """A type as a noun: "a list of numbers", "an integer or text"."""
    if isinstance(info, msgspec.inspect.UnionType):
        return " or ".join(dict.fromkeys(_in_words(member, plural) for member in info.types))
    if isinstance(info, (msgspec.inspect.ListType, msgspec.inspect.VarTupleType)):
        return f"{'lists' if plural else 'a list'} of {_in_words(info.item_type, plural=True)}"
    if isinstance(info, msgspec.inspect.TupleType):
        items = [_in_words(item, plural=True) for item in info.item_types]
        kinds = items[0] if len(set(items)) == 1 else f"values ({', '.join(items)})"
        return f"{'lists' if plural else 'a list'} of {len(items)} {kinds}"
    if isinstance(info, msgspec.inspect.DictType):
        return (
            f"{'mappings' if plural else 'a mapping'} of names to {_in_words(info.value_type, plural=True)}"
        )
    if isinstance(info, msgspec.inspect.StructType):
        return f"{'mappings' if plural else 'a mapping'} (keys: {', '.join(_names(info))})"
    if isinstance(info, msgspec.inspect.LiteralType):
        return f"one of {', '.join(_names(info))}"
    return _NOUNS.get(type(info), ("a value", "values"))[plural]


_NOUNS: Mapping[type[msgspec.inspect.Type], tuple[str, str]] = {
    msgspec.inspect.IntType: ("an integer", "integers"),
    msgspec.inspect.FloatType: ("a number", "numbers"),
    msgspec.inspect.StrType: ("text", "texts"),
    msgspec.inspect.BoolType: ("true or false", "true or false"),
    msgspec.inspect.NoneType: ("null", "null"),
}
_MSGSPEC_NOUNS = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}


def _type_at(struct: type[msgspec.Struct], path: str, values: Any) -> msgspec.inspect.Type:
    """The type of what may stand at `path` (".a.b[0]").

    Args:
        values: to be converted; their tags select the members of unions.
    """
    info: msgspec.inspect.Type = msgspec.inspect.type_info(struct)
    for name, index in re.findall(r"\.([A-Za-z_]\w*)|\[(\d*)", path):
        info = _member(info, values)
        if name and isinstance(info, msgspec.inspect.StructType):
            info = next((f.type for f in info.fields if f.encode_name == name), info)
            values = values.get(name) if isinstance(values, Mapping) else None
        elif isinstance(info, (msgspec.inspect.ListType, msgspec.inspect.VarTupleType)):
            info = info.item_type
            values = values[int(index)] if index and isinstance(values, (list, tuple)) else None
        elif isinstance(info, msgspec.inspect.TupleType) and index:
            info, values = info.item_types[int(index)], None
        elif isinstance(info, msgspec.inspect.DictType):
            info, values = info.value_type, None
    return info


def _names(info: msgspec.inspect.Type) -> tuple[str, ...]:
    """The fields of a struct, or the values of a choice."""
    if isinstance(info, msgspec.inspect.StructType):
        return tuple(field.encode_name for field in info.fields)
    if isinstance(info, msgspec.inspect.LiteralType):
        return tuple(str(value) for value in info.values)
    return ()


def _got(values: Any, path: str) -> Any:
    """The value at `path` (".a.b[0]"); `_UNKNOWN_VALUE` where msgspec does not tell the key of a mapping."""
    if "..." in path:
        return _UNKNOWN_VALUE
    for name, index in re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)", path):
        values = values[name] if name else values[int(index)]
    return values


def _member(info: msgspec.inspect.Type, values: Any) -> msgspec.inspect.Type:
    """The member of a union that the tag of `values` selects; without a tag, the first that is not None."""
    if not isinstance(info, msgspec.inspect.UnionType):
        return info
    members = [t for t in info.types if not isinstance(t, msgspec.inspect.NoneType)]
    tagged = (
        t
        for t in members
        if isinstance(t, msgspec.inspect.StructType)
        and isinstance(values, Mapping)
        and t.tag_field is not None
        and values.get(t.tag_field) == t.tag
    )
    return next(tagged, members[0])
