"""No compiler dropped a part of a tile configuration: in the built engine, and in code like its.

On a processor with AMX such a library dies at its first prompt; in its code the fault can be seen
on any other. See `tests/support/tile_configuration.py`.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.tile_configuration import SHAPES, SIZE, TileLoad, tile_loads, tile_loads_in

KEEP_STORES = ("-fno-dse", "-fno-tree-dse")
WIDTHS = {
    "64 bytes": ("-O3", "-march=sapphirerapids"),
    "32 bytes": ("-O3", "-march=icelake-server", "-mamx-tile"),
    "16 bytes": ("-O3", "-mamx-tile"),
    "rep stos": ("-Os", "-mamx-tile"),
}
"""Flags with which a struct is cleared in that way."""

# Of the shape of ggml's: a local, cleared, filled for all eight tiles, loaded once per thread.
# OWN_LOAD has the fault of GCC 12.2 whatever the compiler: it tells it of 8 bytes.
SOURCE = r"""
#include <immintrin.h>
#ifdef OWN_LOAD
#define LOAD(where) __asm__ volatile("ldtilecfg %0" : : "m"(*(const long long *)(where)))
#else
#define LOAD(where) _tile_loadconfig(where)
#endif

struct shape {
    unsigned char palette, start_row, reserved[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
};

static _Thread_local int is_ready;

void configure_tiles(void) {
    if (is_ready)
        return;
    struct shape shape __attribute__((aligned(64))) = {0};
    shape.palette = 1;
    for (int tile = 0; tile < 8; tile++) {
        shape.rows[tile] = tile < 2 ? 8 : 16;
        shape.row_bytes[tile] = tile == 2 || tile == 3 ? 32 : 64;
    }
    LOAD(&shape);
    is_ready = 1;
}
"""


@pytest.fixture(scope="module")
def objdump() -> str:
    """It lists what was built."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("AMX is of x86-64, and its listing is read as Linux' objdump writes it")
    if not (found := shutil.which("objdump")):
        pytest.skip("no objdump here, so no listing")
    return found


def preprocessed(compiler: str, source: str, *options: str) -> str:
    """What the compiler sees of a source; nothing: it knows no AMX."""
    command = [compiler, "-march=sapphirerapids", "-E", *options, "-x", "c", "-"]
    run = subprocess.run(command, input=source, capture_output=True, text=True)
    return run.stdout if run.returncode == 0 else ""


@pytest.fixture(scope="module")
def gcc(objdump: str) -> str:
    """A GCC that knows AMX."""
    if not (found := shutil.which("gcc")):
        pytest.skip("no gcc here")
    macros = preprocessed(found, "", "-dM")
    if "__AMX_TILE__" not in macros:
        pytest.skip("this gcc knows no AMX")
    if "__clang__" in macros:
        pytest.skip("gcc is Clang here, which has neither the fault nor the flags")
    return found


@pytest.fixture(params=["the compiler's load", "a load with the fault"])
def own_load(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Whose `ldtilecfg` the source has."""
    return ("-DOWN_LOAD",) if request.param == "a load with the fault" else ()


def compiled(folder: Path, gcc: str, objdump: str, *flags: str) -> TileLoad:
    """The one load in the source above, built with these flags."""
    source, library = folder / "tiles.c", folder / "tiles.so"
    source.write_text(SOURCE)
    # Linked, as what is installed is: a listing of less has no names yet.
    command = [gcc, *flags, "-fPIC", "-shared", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    (load,) = tile_loads_in(library, objdump)
    return load


def test_the_built_engine_stores_every_configuration_whole(objdump: str) -> None:
    # Found, not imported: this is about files, and a bad one is not to be run.
    spec = find_spec("llama_cpp")
    assert spec
    folders = [Path(place) / "lib" for place in spec.submodule_search_locations or ()]
    files = [file for folder in folders for file in sorted(folder.glob("libggml-cpu*.so*"))]
    if not files:
        pytest.skip(f"no libggml-cpu is installed in {folders}")
    # One library has up to three names, each a file of its own.
    once = {file.read_bytes(): file for file in files}.values()
    loads = {(file.name, load) for file in once for load in tile_loads_in(file, objdump)}
    if not loads:
        names = ", ".join(file.name for file in once)
        pytest.skip(f"no ldtilecfg in {names}: it was built without AMX")
    assert not [(name, load) for name, load in loads if load.missing]


@pytest.mark.parametrize("flags", WIDTHS.values(), ids=WIDTHS)
def test_what_a_compiler_drops_is_found(
    tmp_path: Path, gcc: str, objdump: str, own_load: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    # Where the fault is mended, the header leaves it to a function of the compiler's own.
    mended = "__builtin_ia32_ldtilecfg" in preprocessed(gcc, "#include <immintrin.h>")
    if mended and not own_load:
        pytest.skip("this compiler knows that ldtilecfg reads 64 bytes")
    load = compiled(tmp_path, gcc, objdump, *flags, *own_load)
    assert load.function == "configure_tiles"
    assert set(load.missing) >= SHAPES


@pytest.mark.parametrize("flags", WIDTHS.values(), ids=WIDTHS)
def test_with_the_flags_every_byte_is_stored(
    tmp_path: Path, gcc: str, objdump: str, own_load: tuple[str, ...], flags: tuple[str, ...]
) -> None:
    load = compiled(tmp_path, gcc, objdump, *flags, *KEEP_STORES, *own_load)
    assert load.missing == ()


def missing(*code: str) -> set[int]:
    """What is missing in a function of these instructions, each of 16 bytes, and a load."""
    lines = [f"  {16 * n:x}:\t{line}" for n, line in enumerate((*code, "ldtilecfg (%rsp)", "ret"))]
    (load,) = tile_loads(["0000000000000000 <f>:", *lines])
    return set(load.missing)


EVERYTHING = set(range(SIZE))
WHOLE = "vmovdqu8 %zmm1,(%rsp)"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ((WHOLE,), set()),
        ((WHOLE, "movq   $0x0,0x30(%rsp)"), set(range(48, 56))),
        ((WHOLE, "movl   $0x10,0x30(%rsp)"), {49, 50, 51}),
        (("vmovdqa %ymm1,(%rsp)", "vmovq  %xmm1,0x20(%rsp)"), set(range(40, 64))),
        (("vmovdqa %ymm1,(%rsp)", "vmovhps %xmm1,0x20(%rsp)"), set(range(40, 64))),
        (("lea    0x8(%rsp),%rax", "sub    $0x8,%rax", "vmovdqu8 %zmm1,(%rax)"), set()),
        (("push   %rbx", *["push   %rax"] * 7), set()),
        (("vpxor  %xmm1,%xmm1,%xmm1", WHOLE), SHAPES),
        (("vpxor  %xmm1,%xmm1,%xmm1", "vmovdqu 0x0(%rip),%xmm1        # 40 <t>", WHOLE), set()),
        (
            ("mov    %rsp,%rdi", "xor    %esi,%esi", "mov    $0x40,%edx", "call   0 <memset@plt>"),
            SHAPES,
        ),
        # What lay there before a call was another variable.
        ((WHOLE, "call   0 <g>"), EVERYTHING),
        # Not on every way to the load; on the only one.
        (("jne    20 <f+0x20>", WHOLE), EVERYTHING),
        (("jne    30 <f+0x30>", WHOLE, "jmp    40 <f+0x40>", "ret"), set()),
        # Not as long as nobody knows where, or which.
        (("vmovdqu8 %zmm1,(%rsp,%rax,1)",), EVERYTHING),
        (("vmovdqu8 %zmm1,(%rsp){%k1}",), EVERYTHING),
    ],
)
def test_what_counts_as_stored(code: tuple[str, ...], expected: set[int]) -> None:
    assert missing(*code) == expected
