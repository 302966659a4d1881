# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The architecture, as far as a parser can see it: who imports whom, and sizes."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
import json
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ('lingbot_policy', 'lingbot_training', 'robot_configs', 'launch')
CHECKED = (*CODE, 'tests', 'benchmarks')

# import -> the folders and files which may have it
LAYERS = {
    r'rclpy|\w+_msgs|std_srvs|rcl_interfaces|builtin_interfaces|ament_index_python|rosidl_\w+': (
        'lingbot_policy/nodes/',
    ),
    r'launch|launch_ros': ('lingbot_policy/nodes/', 'launch/'),
    r'torch|transformers': (
        'lingbot_policy/model/',
        'lingbot_policy/backends/lingbot.py',
        'lingbot_training/',
    ),
    r'mujoco|mink': ('lingbot_policy/sim/',),
    r'lingbot_training': ('lingbot_training/',),
}
MACHINE_PATHS = re.compile(rb'(?<![\w.~-])/(?:work|root|Users|mnt|opt/pypi|tmp/w)/[\w.]+')


def python_files(*folders: str) -> list[str]:
    """Return the repository's Python files below ``folders``, relative to its root."""
    found = (path for folder in folders for path in (ROOT / folder).rglob('*.py'))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(), filename=file)


def imports(file: str, *, at_load: bool = False) -> Iterator[str]:
    """Yield every module which ``file`` imports, or only those which loading it imports."""
    pending = list(tree_of(file).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = file.split('/')[: -node.level] if node.level else []
            module = '.'.join([*package, *filter(None, [node.module])])
            yield module
            yield from (f'{module}.{alias.name}' for alias in node.names)
        elif at_load and runs_later(node):
            continue
        else:
            pending += ast.iter_child_nodes(node)


def runs_later(node: ast.AST) -> bool:
    """Return whether loading a module does not run ``node``: a function, or for types only."""
    is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return is_function or (isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test))


def functions(file: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_code_to_check():
    assert len(python_files('lingbot_policy')) > 20


@pytest.mark.parametrize('pattern', LAYERS, ids=lambda pattern: pattern.split('|')[0])
def test_only_its_own_layer_imports(pattern: str):
    allowed = LAYERS[pattern]
    breaks = {
        f'{file} imports {name}'
        for file in python_files(*CODE)
        if not file.startswith(allowed)
        for name in imports(file)
        if re.fullmatch(pattern, name.split('.')[0])
    }
    assert not breaks, f'only {", ".join(allowed)} may:\n' + '\n'.join(sorted(breaks))


def test_packages_import_each_other_without_a_cycle():
    modules = {
        file.removesuffix('.py').removesuffix('/__init__').replace('/', '.'): file
        for file in python_files('lingbot_policy', 'lingbot_training')
    }
    graph = {
        module: {name for name in imports(file, at_load=True) if name in modules} - {module}
        for module, file in modules.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail('import cycle: ' + ' <- '.join(error.args[1]))


def test_no_file_is_longer_than_400_lines():
    lengths = {
        file: len((ROOT / file).read_text().splitlines()) for file in python_files(*CHECKED)
    }
    assert not {file: length for file, length in lengths.items() if length > 400}


def test_no_function_is_longer_than_60_lines():
    long = [
        f'{file}:{function.lineno} {function.name}: {length}'
        for file in python_files('lingbot_policy', 'lingbot_training')
        for function in functions(file)
        if (length := function.end_lineno - function.lineno + 1) > 60
    ]
    assert not long, '\n'.join(long)


def test_every_file_names_its_licence():
    bare = [
        file
        for file in [*python_files(*CHECKED), 'setup.py']
        if '# SPDX-License-Identifier: Apache-2.0\n' not in (ROOT / file).read_text()[:200]
    ]
    assert not bare, f'without the SPDX line at the top: {bare}'


def test_no_file_names_a_path_of_one_machine():
    listing = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip('not a git checkout')
    files = [ROOT / name for name in listing.stdout.split('\0') if name]
    texts = {file: file.read_bytes() for file in files if file.is_file()}
    named = {
        f'{file.relative_to(ROOT)}: {found[0].decode()}'
        for file, text in texts.items()
        if b'\0' not in text[:8192] and (found := MACHINE_PATHS.search(text))
    }
    assert not named, '\n'.join(sorted(named))


def loaded_modules(code: str) -> set[str]:
    """Return the top-level modules which ``code`` loads in a fresh interpreter."""
    report = 'import json, sys; print(json.dumps(sorted({n.split(".")[0] for n in sys.modules})))'
    run = subprocess.run(
        [sys.executable, '-c', f'{code}\n{report}'], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout.splitlines()[-1]))


HEAVY = {'torch', 'transformers', 'rclpy', 'mujoco', 'cv2', 'scipy', 'plotly'}


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_modules('import lingbot_policy') & HEAVY


def test_the_help_of_the_command_loads_nothing_heavy():
    pytest.importorskip('lingbot_policy.cli.main', reason='no command line yet')
    run_help = (
        'import sys\n'
        'sys.argv = ["lingbot", "--help"]\n'
        'from lingbot_policy.cli.main import main\n'
        'try:\n    main()\n'
        'except SystemExit as stop:\n    assert not stop.code, stop.code'
    )
    assert not loaded_modules(run_help) & HEAVY
