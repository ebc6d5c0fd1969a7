"""Prose in the words of the field: phrases that no native engineer writes do not come back."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = (".py", ".md", ".yaml", ".toml", ".cff")
PER = (
    "candidate step second minute drive robot plan tick joint camera component node image picture episode "
    "planner agent lane road row line file folder scene frame round call decision period cost term axis "
    "core model message topic scenario problem process action iteration sample elite goal token layer graph "
    "reader format edge point quantity variant size"
)
COUNTED = (
    "one number numbers value values row rows line lines file files folder folders picture pictures image "
    "images token step steps time times ms seconds bytes mapping name names decision decisions plan plans "
    "tick ticks array arrays mean message messages class entry vector figure figures draw draws evaluations "
    "call calls table point points film process processes weight second sum sums"
)
PHRASES = {
    "name the class or frame": r"\b(?:[Ww]hoever|[Ss]omebody|[Ee]verybody|[Nn]obody|[Aa]nybody|whomever)\b",
    "who is for people": r"\b[Ww]ho\b",
    "not a ..., no ...": r"\b(?:is|are|that is|was|were) none\b",
    "next to, compared with": r"\b[Bb]eside\b",
    "per": rf"\b(?:{'|'.join(COUNTED.split())}) an? (?:{'|'.join(PER.split())})s?\b",
    "the field's words": r"\b(?:left away|lives? on|go on as they do|is in the way|a drive feels)\b",
    "no metaphors for physics": r"\b(?:felt|lived|cramped|faced)\b",
    "uncertainty": r"\bdoubt\b",
    "waits for": r"\bstands? still until\b",
    "fix": r"\bmend(?:s|ed|ing)?\b",
    "plain words": r"\b(?:so many|of its own kind|for nothing|in vain)\b",
}
"""What to write instead, or the rule, to what is looked for."""

EXEMPT = {
    "tests/test_prose.py": set(PHRASES),
    "CITATION.cff": set(PHRASES),
}


def tracked() -> list[Path]:
    """The files of the repository that hold prose; cards hold the words of recorded runs."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [Path(name) for name in listed.stdout.splitlines()]
    return [p for p in paths if p.suffix in SUFFIXES and p.name != "card.yaml" and (ROOT / p).is_file()]


@pytest.mark.parametrize("instead", PHRASES)
def test_a_stilted_phrase_stands_nowhere(instead: str) -> None:
    pattern = re.compile(PHRASES[instead])
    hits = [
        f"{path}:{number}: {line.strip()}"
        for path in tracked()
        if instead not in EXEMPT.get(str(path), ())
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert not hits, f"{instead}: " + "\n".join(hits)
