# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compiles msg/*.msg for Python with the message generators of the ROS 2 found by this Python.

    python build_support/messages.py PACKAGE_DIRECTORY

A pip build has no ament_cmake to do this. The generators are plain Python functions, in the ROS 2
wheels as in a sourced ROS 2, so this script calls them in the same order as ament_cmake, compiles
the generated sources, and copies into PACKAGE_DIRECTORY (`.../bisenet_ros`):

    msg/*.py                                                  the message classes
    bisenet_ros_s__rosidl_typesupport_c.<abi>.so              their conversion from and to C
    libbisenet_ros__rosidl_typesupport_fastrtps_c.so          their C side
    libbisenet_ros__rosidl_typesupport_introspection_c.so     a second name of the same library

The dispatcher of type supports opens one of the last two by name, depending on the middleware. They
are one library, which the extension module loads under both names.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy
from rosidl_adapter.msg import convert_msg_to_idl
from rosidl_generator_c import generate_c
from rosidl_generator_py.generate_py_impl import generate_py
from rosidl_typesupport_c import generate_c as generate_dispatcher
from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c
from rosidl_typesupport_introspection_c import generate_c as generate_introspection

try:
    from rosidl_generator_type_description import generate_type_hash
except ModuleNotFoundError:  # ROS 2 Humble: its messages have no type hashes.
    generate_type_hash = None

PACKAGE = 'bisenet_ros'
ROOT = Path(__file__).resolve().parent.parent
TYPE_SUPPORTS = ('rosidl_typesupport_fastrtps_c', 'rosidl_typesupport_introspection_c')

# The libraries of a message package are named lib<package>__<part>.so.
MESSAGE_LIBRARIES = (
    'rosidl_generator_c',
    'rosidl_generator_py',
    'rosidl_typesupport_c',
    *TYPE_SUPPORTS,
)
RUNTIME_LIBRARIES = (
    'rosidl_runtime_c',
    'rosidl_typesupport_c',
    'rosidl_typesupport_fastrtps_c',
    'rosidl_typesupport_fastrtps_cpp',
    'rosidl_typesupport_introspection_c',
    'fastcdr',
    'rcutils',
    'rmw',
)


def find_prefix(package: str) -> Path | None:
    """Finds the prefix of a ROS package: the first parent of a sys.path directory that contains it.

    `importlib` is not used, because many message and runtime packages have no Python module.

    Returns:
        The directory that contains `share/<package>/package.xml`; None if there is none.
    """
    for entry in sys.path:
        for prefix in Path(entry).resolve().parents:
            if (prefix / 'share' / package / 'package.xml').is_file():
                return prefix
    return None


def require_prefix(package: str) -> Path:
    """Finds a prefix like `find_prefix`, but exits with a message if the package is missing."""
    prefix = find_prefix(package)
    if prefix is None:
        sys.exit(f'the ROS 2 package {package} is not installed for this Python')
    return prefix


def check_generators() -> None:
    """Exits if a ROS 2 is sourced and the generators are from another one.

    pip installs other generators in an isolated build, and their output does not fit the sourced
    libraries.
    """
    sourced = os.environ.get('AMENT_PREFIX_PATH')
    prefix = require_prefix('rosidl_generator_py')
    if sourced and prefix not in [Path(entry).resolve() for entry in sourced.split(os.pathsep)]:
        sys.exit(f'{prefix} is not the sourced ROS 2: use pip install --no-build-isolation')


def message_dependencies() -> dict[str, Path]:
    """Returns direct and indirect message dependencies from package.xml: name -> prefix."""
    found: dict[str, Path] = {}
    queue = [(ROOT / 'package.xml', True)]
    while queue:
        manifest, ours = queue.pop()
        for tag in ElementTree.parse(manifest).iterfind('depend'):
            name = str(tag.text)
            prefix = require_prefix(name) if ours else find_prefix(name)
            if prefix is None or name in found:
                continue
            share = prefix / 'share' / name
            if any(share.glob('*/*.idl')):
                found[name] = prefix
                queue.append((share / 'package.xml', False))
    return found


def generate(scratch: Path, dependencies: dict[str, Path]) -> tuple[Path, Path]:
    """Runs every generator.

    Args:
        scratch: An empty directory.
        dependencies: From `message_dependencies`.

    Returns:
        The root of the C and C++ sources, and the root of the Python modules and their extension.
    """
    c_root, python_root = scratch / 'c', scratch / 'python'
    idl_root, hashes = scratch / 'idl', scratch / 'hashes'

    messages = sorted((ROOT / 'msg').glob('*.msg'))
    for message in messages:
        convert_msg_to_idl(ROOT, PACKAGE, message.relative_to(ROOT), idl_root / 'msg')
    shares = {name: prefix / 'share' / name for name, prefix in dependencies.items()}
    common = {
        'package_name': PACKAGE,
        'idl_tuples': [f'{idl_root}:msg/{message.stem}.idl' for message in messages],
        'ros_interface_dependencies': [
            f'{name}:{idl}'
            for name, share in shares.items()
            for idl in sorted(share.glob('*/*.idl'))
        ],
        'target_dependencies': [],
        'include_paths': [f'{name}:{share}' for name, share in shares.items()],
        'type_description_tuples': [
            f'msg/{message.stem}.idl:{hashes}/msg/{message.stem}.json' for message in messages
        ],
    }

    def arguments(generator: str, output: Path) -> str:
        resources = require_prefix(generator) / 'share' / generator / 'resource'
        file = scratch / f'{generator}.json'
        file.write_text(
            json.dumps(common | {'output_dir': str(output), 'template_dir': str(resources)})
        )
        for template in resources.glob('*__visibility_control.h.in'):
            header = output / 'msg' / template.stem
            header.parent.mkdir(parents=True, exist_ok=True)
            header.write_text(
                template.read_text()
                .replace('@PROJECT_NAME@', PACKAGE)
                .replace('@PROJECT_NAME_UPPER@', PACKAGE.upper())
            )
        return str(file)

    sources = c_root / PACKAGE
    if generate_type_hash is not None:
        generate_type_hash(arguments('rosidl_generator_type_description', hashes))
    generate_c(arguments('rosidl_generator_c', sources))
    generate_typesupport_fastrtps_c(arguments('rosidl_typesupport_fastrtps_c', sources))
    generate_introspection(arguments('rosidl_typesupport_introspection_c', sources))
    generate_dispatcher(arguments('rosidl_typesupport_c', sources), list(TYPE_SUPPORTS))
    generate_py(arguments('rosidl_generator_py', python_root / PACKAGE), ['rosidl_typesupport_c'])
    return c_root, python_root


def compile_objects(sources: Iterable[Path], include: Iterable[Path], scratch: Path) -> list[str]:
    """Compiles C and C++ sources, one per core at a time.

    Returns:
        The paths of the object files, in the order of the sources.
    """
    compilers = {
        '.c': shlex.split(os.environ.get('CC', 'cc')),
        '.cpp': [*shlex.split(os.environ.get('CXX', 'c++')), '-std=c++17'],
    }
    options = [
        '-O2',
        '-DNDEBUG',
        '-fPIC',
        '-fvisibility=hidden',
        *(f'-I{path}' for path in include),
    ]

    def compile_one(source: Path) -> str:
        target = scratch / f'{source.relative_to(scratch)}.o'.replace('/', '_')
        subprocess.run(
            [*compilers[source.suffix], *options, '-c', str(source), '-o', str(target)], check=True
        )
        return str(target)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources))


def link(target: Path, inputs: Iterable[str]) -> str:
    """Links a shared library that finds other libraries in its own directory.

    The ROS 2 libraries are found by LD_LIBRARY_PATH, which the wheels and `setup.bash` both set.
    """
    subprocess.run(
        [
            *shlex.split(os.environ.get('CXX', 'c++')),
            '-shared',
            '-Wl,-rpath,$ORIGIN',
            '-Wl,--no-as-needed',
            f'-Wl,-soname,{target.name}',
            *inputs,
            '-o',
            str(target),
        ],
        check=True,
    )
    return str(target)


def build(destination: Path, scratch: Path) -> None:
    """Generates, compiles and links in `scratch`; copies the products into `destination`."""
    check_generators()
    dependencies = message_dependencies()
    c_root, python_root = generate(scratch, dependencies)

    prefixes = sorted({require_prefix('rosidl_runtime_c'), *dependencies.values()})
    include = [c_root, Path(sysconfig.get_path('include')), Path(numpy.get_include())]
    for prefix in prefixes:
        # Headers lie in include/<package>/<package>/ since ROS 2 Humble; fastcdr's do not.
        include += [*sorted((prefix / 'include').iterdir()), prefix / 'include']
    libraries = [
        *(f'-L{prefix}/lib' for prefix in prefixes),
        *(f'-l{name}__{part}' for name in dependencies for part in MESSAGE_LIBRARIES),
        *(f'-l{name}' for name in RUNTIME_LIBRARIES),
    ]

    sources = [*c_root.rglob('*.c'), *c_root.rglob('*.cpp'), *python_root.rglob('*.c')]
    objects = compile_objects(sources, include, scratch)
    entry_points = [path for path in objects if '_s.ep.' in path]
    products = scratch / 'products'
    products.mkdir()
    holder, alias = (products / f'lib{PACKAGE}__{support}.so' for support in TYPE_SUPPORTS)
    link(holder, [*(path for path in objects if path not in entry_points), *libraries])
    link(alias, [str(holder)])
    suffix = sysconfig.get_config_var('EXT_SUFFIX')
    link(
        products / f'{PACKAGE}_s__rosidl_typesupport_c{suffix}',
        [*entry_points, str(holder), str(alias)],
    )

    for product in products.iterdir():
        put(product, destination)
    for module in (python_root / PACKAGE / 'msg').glob('*.py'):
        put(module, destination / 'msg')


def put(file: Path, directory: Path) -> None:
    """Replaces a file atomically, so that processes that have mapped the old one are unaffected."""
    directory.mkdir(parents=True, exist_ok=True)
    copy = directory / f'.{file.name}.new'
    shutil.copy2(file, copy)
    copy.replace(directory / file.name)


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as directory:
        build(Path(sys.argv[1]), Path(directory))
