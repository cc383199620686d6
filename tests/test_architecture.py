"""The house as docs/architecture.md draws it: imports run downhill, starting is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from running import ROOT, environment, run

import openfaceplus
from openfaceplus import errors
from openfaceplus.cli import COMMANDS, module_of

PACKAGE = ROOT / "openfaceplus"
SCRIPTS = sorted(
    path for folder in ("util", "demos", "batch_represent") for path in (ROOT / folder).glob("*.py")
)
STREETS = {
    "foundation": {
        "errors", "faces", "images", "decoding", "quality", "files", "registry",
        "manifest", "version", "threads", "weights", "thresholds", "gallery", "extras", "words",
        "changes", "memory", "developing", "sequences", "hosts", "encryption", "encrypted_files",
        "remote",
    },
    "rooms": {
        "detect", "alignment", "embedding", "store", "classify", "evaluate", "video", "track",
        "database", "audit", "pictures", "training",
    },
    "composition": {
        "recipe", "loaded", "pipeline", "model", "api", "verification", "photo_folder", "stages",
        "frames", "model_folder", "liveness", "cluster",
    },
    "edges": {"cli", "server", "client", "compat", "__main__"},
}  # fmt: skip
LEVEL = {name: level for level, names in enumerate(STREETS.values()) for name in names}
HEAVY = {"torch", "dlib", "cv2", "sklearn", "pandas", "onnxruntime", "onnx", "numpy", "PIL"} | {
    "ray", "fsspec", "s3fs",
}  # fmt: skip
FORBIDDEN = {
    "torch", "dlib", "cv2", "sklearn", "pandas", "av", "psycopg", "scenedetect", "ray", "fsspec",
    "s3fs",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Names right below ``openfaceplus`` that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names = [node.module or ""]
            if node.module == "openfaceplus":
                names = [f"openfaceplus.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("openfaceplus.")}
    return found


def test_imports_run_downhill():
    uphill = []
    for path in modules():
        here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if here == "__init__":
            assert imported(path) <= {"version"}, "importing the package must load nothing"
            continue
        assert here in LEVEL, f"{path}: give it a place in docs/architecture.md and in this test"
        for there in imported(path) - {here, "__version__"}:
            sibling = here in STREETS["rooms"] and there in STREETS["rooms"]
            if LEVEL[there] > LEVEL[here] or sibling:
                uphill.append(f"{path.relative_to(ROOT)} imports {there}")
    assert not uphill


def test_modules_are_short_and_say_what_they_are_for():
    for path in modules():
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") < 300, f"{path}: split it"
        assert ast.get_docstring(ast.parse(text)), f"{path}: has no docstring"


def test_only_one_module_prints():
    for path in modules():
        if path in (PACKAGE / "cli/output.py", PACKAGE / "cli/__init__.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            printing = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
            assert not printing, f"{path}:{node.lineno}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_thin(script):
    lines = script.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 10
    assert lines[0].startswith("#!") and script.stat().st_mode & 0o100


def test_public_names_resolve():
    for name in openfaceplus.__all__:
        assert getattr(openfaceplus, name) is not None
    assert set(openfaceplus.__all__) <= set(dir(openfaceplus))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = openfaceplus.nothing


def loaded(code: str) -> set[str]:
    """Heavy libraries that are loaded after ``code`` in a fresh Python."""
    code += f"\nimport sys; print('HEAVY', *sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_importing_the_package_loads_nothing():
    assert loaded("import openfaceplus") == set()


def test_help_of_every_command_loads_nothing_heavy():
    code = f"""
import contextlib
from openfaceplus.cli import main
for command in {list(COMMANDS)!r}:
    with contextlib.suppress(SystemExit):
        main([command, "--help"])
"""
    assert not loaded(code) & FORBIDDEN


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_of_every_script_loads_nothing_heavy(script):
    done = run(script, "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    names = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.MULTILINE))
    assert "argparse" in names and not names & FORBIDDEN
    assert "example" in done.stdout and "exit status" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        import_module(module_of(command)).main(["--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0
    assert re.search(rf"examples:\n  openfaceplus {command}\b", said)
    for flag in ("--json", "--debug", "--commercial"):
        assert flag in said


def test_help_lists_every_command_with_an_example():
    said = run("--help").stdout
    assert all(f"\n  {name} " in said for name in COMMANDS)
    assert "example" in said
    assert "there is no command" in run("nonsense", expect=2).stderr


def _raised() -> list[tuple[Path, ast.Call]]:
    """Every place of the library that makes an error of ours; commands may name their flags."""
    names = {name for name, kind in vars(errors).items() if _is_error(kind)}
    return [
        (path, node)
        for path in modules()
        if path.parent.name != "cli" and not path.stem.endswith(("_cli", "commands"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in names
    ]


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, errors.OpenFacePlusError)


def test_errors_speak_to_everyone():
    """No flag in an error's words; what to do stands apart; each says what it is about."""
    found = _raised()
    assert len(found) > 150
    wrong = []
    for path, call in found:
        texts = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant)]
        words = " ".join(text for text in texts if isinstance(text, str))
        given = {keyword.arg for keyword in call.keywords}
        problem = [n.value for n in ast.walk(call.args[0]) if isinstance(n, ast.Constant)]
        apart = "remedy" in given or not any(
            isinstance(text, str) and re.search(r"; (?!and )", text) for text in problem
        )
        if re.search(r"(?<![\w-])--[a-z]", words) and "pip" not in words:
            wrong.append(f"{path.name}:{call.lineno}: names a flag")
        if not apart:
            wrong.append(f"{path.name}:{call.lineno}: the remedy is no argument of its own")
    assert not wrong, "\n".join(wrong)


def test_each_kind_of_error_has_a_code_of_its_own():
    kinds = [kind for kind in vars(errors).values() if _is_error(kind)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(kinds) > 12
    for kind in kinds:
        made = kind("what is wrong", remedy="what to do", field="where")
        assert str(made) == "what is wrong; what to do"
        assert made.to_dict() == {
            "code": kind.code, "problem": "what is wrong", "field": "where", "remedy": "what to do",
        }  # fmt: skip
