"""Lookup of files in `sim`, `nodes`, `models` and `launch`: the given path, the checkout, or the wheel."""

from pathlib import Path

from wm_planner.errors import PluginError, did_you_mean

SHELVES = ("sim", "nodes", "models", "launch")
_PACKAGE = Path(__file__).resolve().parent


def roots() -> tuple[Path, ...]:
    """The folders that contain shelves, in search order: the checkout, then the installed wheel."""
    checkout = _PACKAGE.parent
    project = checkout / "pyproject.toml"
    is_ours = project.is_file() and 'name = "wm-planner"' in project.read_text(encoding="utf-8")
    return (checkout, _PACKAGE / "share") if is_ours else (_PACKAGE / "share",)


def find(path: str | Path, root: str = "") -> Path:
    """The file or folder at `path`: as given, or below one of the roots.

    Args:
        path: of a file or folder.
        root: root element of the wanted XML file, such as `mujoco`; an error suggests only such files.

    Raises:
        PluginError: if it does not exist; names the closest one in the same folder.
    """
    if not str(path):
        raise PluginError("the path is empty, wanted that of a file or folder")
    try:
        given = Path(path).expanduser()
        if given.exists():
            return given.resolve()
        if not given.is_absolute():
            for candidate in (given, _in_bundles(given)):
                for shelves in roots():
                    if (shelves / candidate).exists():
                        return (shelves / candidate).resolve()
    except (OSError, RuntimeError) as error:  # too long for a file name, or ~ of an unknown user
        reason = getattr(error, "strerror", None) or error
        raise PluginError(f"{_shortened(path)}: cannot be a file or folder ({reason})") from None
    suffix = given.suffix or (".xml" if root else "")
    known = [
        str(folder / name)
        for folder in dict.fromkeys((given.parent, _in_bundles(given).parent))
        for name in listing(str(folder), suffix, root)
    ]
    hint = f", {did_you_mean(str(given), known)}" if known else ""
    raise PluginError(f"{path}: no such file or folder{hint}")


def _shortened(path: str | Path) -> str:
    text = str(path)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _in_bundles(path: Path) -> Path:
    """The path of a bundle that is given as `models/<name>`, which is supported until 1.0."""
    is_bundle = path.parent == Path("models") and not path.suffix
    return path.parent / "bundles" / path.name if is_bundle else path


def revision() -> str:
    """The git revision of the checkout, "unknown" without git; of an installed wheel its version."""
    import subprocess  # here and below: every command starts by importing this module
    from importlib import metadata

    if roots()[0] == _PACKAGE / "share":  # git would describe a repository around the environment
        return metadata.version("wm-planner")
    command = ["git", "-C", str(_PACKAGE), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def listing(folder: str, suffix: str = "", root: str = "") -> list[str]:
    """The files in one of these folders that end with `suffix`, or its subfolders if that is empty.

    Args:
        root: for `.xml` files, list only those with this root element; empty for all.
    """
    folders = [place / folder for place in roots() if (place / folder).is_dir()]
    names = {
        entry.name
        for place in folders
        for entry in place.iterdir()
        if (entry.suffix == suffix if suffix else entry.is_dir()) and not entry.name.startswith((".", "_"))
        if suffix != ".xml" or root in ("", root_element(entry))
    }
    return sorted(names)


def root_element(file: Path) -> str:
    """The root element of an XML file; empty if it cannot be parsed."""
    from xml.etree import ElementTree

    try:
        with file.open("rb") as stream:
            return next(str(element.tag) for _, element in ElementTree.iterparse(stream, ("start",)))
    except (ElementTree.ParseError, OSError):
        return ""
