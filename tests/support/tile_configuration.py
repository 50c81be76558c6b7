"""Finds the tile configurations of which a compiler dropped a part, in what `objdump` lists.

AMX's `ldtilecfg` reads 64 bytes: palette, start row, 14 of zeros, columns (16 of two bytes), rows
(16 of one byte). GCC 12.2 believes that its `_tile_loadconfig` reads 8 of them, and drops stores to
the others as dead. What is left has two forms, by the width of the vectors: bytes that are never
stored; or a cleared struct, stored whole, without rows and columns (so for ggml with
`-march=sapphirerapids`). So what is stored counts, and not only where.

No emulator: the code that surely runs before an `ldtilecfg` is followed, from as far back as there
is one way to come. What a register holds is known by its distance from something unknown.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

SIZE = 64
N_TILES = 8
SHAPES = frozenset({16 + 2 * tile for tile in range(N_TILES)} | set(range(48, 48 + N_TILES)))
"""The bytes of columns and rows that are more than zero in ggml's configuration, of all tiles."""

Value = tuple[str, int]
"""Something unknown, by its name, and the distance from it; a number has no name."""

_FUNCTION = re.compile(r"[0-9a-f]+ <(.+)>:$")
_INSTRUCTION = re.compile(
    r"\s*(?P<address>[0-9a-f]+):\t(?:(?:data16|rex\.W|notrack|bnd|lock|cs|repz)\s+)*"
    r"(?P<name>rep \w+|\S+)\s*(?P<operands>[^#]*)(?:# (?P<absolute>[0-9a-f]+))?"
)
_MEMORY = re.compile(
    r"(?:%es:)?(?P<fs>%fs:)?(?P<distance>-?0x[0-9a-f]+)?"
    r"(?:\((?P<base>%\w+)?(?:,(?P<index>%\w+),(?P<scale>\d))?\))?"
)
_OLD_NAME = re.compile(r"(call|ret|jmp|push|pop)q")
"""As binutils 2.35, the first that knows AMX, writes them."""
_FILLS = re.compile(r"<(memset|memcpy)[@>]")
_PLAIN_MOVES = {"mov": 0, "movabs": 0, "movb": 1, "movw": 2, "movl": 4, "movq": 8}
_VECTOR_MOVES = re.compile(r"v?mov(?:ap|up|dq|nt)")
_SIZES = {"b": 1, "w": 2, "l": 4, "q": 8}
_PARTS = dict.fromkeys("movq movlps movlpd movhps movhpd movsd".split(), 8) | {
    "movd": 4,
    "movss": 4,
    "movw": 2,
    "movsh": 2,
}
"""Of a vector register these store less than it holds."""
_CHANGES_NOTHING = re.compile(r"cmp|test|v?u?comis|v?ptest|bt[lq]?$|k?ortest|nop|j")
_CHANGES_RAX_RDX = frozenset("mul imul div idiv cltd cqto cltq cwtl cpuid xgetbv rdtsc".split())
_KEPT_BY_A_CALL = frozenset("%rbx %rbp %rsp %r12 %r13 %r14 %r15".split())


def _registers() -> dict[str, tuple[str, int]]:
    """Of each name: the whole register's, and how many bytes it names."""
    names: dict[str, tuple[str, int]] = {}
    for old in "ax bx cx dx si di bp sp".split():
        low = f"{old[0]}l" if old[1] == "x" else f"{old}l"
        names |= {f"%{name}": (f"%r{old}", n) for name, n in ((f"r{old}", 8), (f"e{old}", 4))}
        names |= {f"%{name}": (f"%r{old}", n) for name, n in ((old, 2), (low, 1))}
    for number in range(8, 16):
        for suffix, n in (("", 8), ("d", 4), ("w", 2), ("b", 1)):
            names[f"%r{number}{suffix}"] = (f"%r{number}", n)
    for number in range(32):
        for letter, n in (("x", 16), ("y", 32), ("z", 64)):
            names[f"%{letter}mm{number}"] = (f"%zmm{number}", n)
    return names


_REGISTERS = _registers()


@dataclass(frozen=True)
class TileLoad:
    """One `ldtilecfg`, and which bytes of what it reads are wrong."""

    function: str
    address: int
    unstored: tuple[int, ...]
    """Those that nothing stores before it."""
    cleared: tuple[int, ...]
    """Those of rows and columns that hold the zeros of a cleared struct."""

    @property
    def missing(self) -> tuple[int, ...]:
        """All that the compiler dropped."""
        return tuple(sorted(self.unstored + self.cleared))


@dataclass(frozen=True)
class _Instruction:
    line: str
    address: int
    name: str
    operands: tuple[str, ...]
    absolute: int
    """Where an operand relative to %rip lies."""

    @classmethod
    def read(cls, line: str) -> _Instruction | None:
        found = _INSTRUCTION.match(line)
        if not found:
            return None
        # A comma within parentheses is an address's own.
        operands = re.split(r",(?![^(]*\))", found["operands"].strip())
        absolute = int(found["absolute"] or "0", 16)
        name = old[1] if (old := _OLD_NAME.fullmatch(found["name"])) else found["name"]
        return cls(line, int(found["address"], 16), name, tuple(operands), absolute)

    @property
    def target(self) -> int | None:
        """Where a jump goes; None: it is none, or it goes where a register says."""
        where = re.match(r"[0-9a-f]+(?= <)", self.operands[0])
        return int(where[0], 16) if where and self.name.startswith("j") else None

    @property
    def goes_on(self) -> bool:
        """Whether the next instruction may follow it."""
        return self.name not in ("jmp", "ret", "ud2", "hlt")


@dataclass
class _Run:
    """What is known after the instructions so far."""

    registers: dict[str, Value] = field(default_factory=dict)
    stores: list[tuple[Value, int, Value]] = field(default_factory=list)
    """Where, how many bytes, what: in their order."""
    n_unknown: int = 0

    def unknown(self) -> Value:
        """A value of which nothing is known."""
        self.n_unknown += 1
        return f"unknown {self.n_unknown}", 0

    def value(self, operand: str) -> Value:
        """What an immediate or a register holds; what lies in memory is not known."""
        if operand.startswith("$"):
            return "", int(operand[1:], 16)
        if operand not in _REGISTERS:
            return self.unknown()
        return self.registers.setdefault(_REGISTERS[operand][0], self.unknown())

    def place(self, operand: str, absolute: int) -> Value:
        """The address that an operand names."""
        found = _MEMORY.fullmatch(operand)
        if not found or (found["fs"] and found["base"]):
            return self.unknown()
        if found["base"] == "%rip":
            return "", absolute
        distance = int(found["distance"] or "0", 16)
        name, start = self.value(found["base"]) if found["base"] else (found["fs"] or "", 0)
        if found["index"]:
            unknown, times = self.value(found["index"])
            if unknown:
                return self.unknown()
            distance += times * int(found["scale"])
        return name, start + distance

    def store(self, place: Value, n_bytes: int, what: Value) -> None:
        self.stores.append((place, n_bytes, what))

    def step(self, instruction: _Instruction) -> None:
        """Follow one instruction."""
        name, operands = instruction.name, instruction.operands
        last = operands[-1]
        if name == "call":
            self._call(called[1] if (called := _FILLS.search(instruction.line)) else "")
        elif name.startswith("rep "):
            n_bytes = _SIZES[name[-1]] if name != "rep stos" else _REGISTERS[operands[0]][1]
            what = self.value("%rax") if name == "rep stos" else self.unknown()
            self._fill(self.value("%rcx"), n_bytes, what)
            self.registers |= {whole: self.unknown() for whole in ("%rcx", "%rdi", "%rsi")}
        elif name == "push":
            top, height = self.value("%rsp")
            self.registers["%rsp"] = (top, height - 8)
            self.store((top, height - 8), 8, self.value(last))
        elif name == "pop":
            top, height = self.value("%rsp")
            self.registers |= {_REGISTERS[last][0]: self.unknown(), "%rsp": (top, height + 8)}
        elif name in _CHANGES_RAX_RDX and len(operands) == 1:
            self.registers |= {"%rax": self.unknown(), "%rdx": self.unknown()}
        elif _CHANGES_NOTHING.match(name):
            pass
        elif (changed := last.partition("{")[0]) in _REGISTERS:
            # A mask keeps some of what was there.
            result = self._result(instruction) if changed == last else self.unknown()
            self.registers[_REGISTERS[changed][0]] = result
        elif n_bytes := self._stored(instruction):
            where = self.place(last, instruction.absolute)
            self.store(where, n_bytes, self.value(operands[0]))

    def _call(self, fills: str) -> None:
        if fills:
            what = self.value("%rsi") if fills == "memset" else self.unknown()
            self._fill(self.value("%rdx"), 1, what)
        else:
            # A configuration is a local that no call knows; what lies where it will lie may be
            # of another variable, which had its place before.
            self.stores.clear()
        kept = {name: self.value(name) for name in _KEPT_BY_A_CALL}
        self.registers = kept | ({"%rax": self.value("%rdi")} if fills else {})

    def _fill(self, count: Value, size: int, what: Value) -> None:
        """Store it as often as that, from %rdi on."""
        if not count[0]:
            repeated = what if what == ("", 0) else self.unknown()
            self.store(self.value("%rdi"), count[1] * size, repeated)

    def _stored(self, instruction: _Instruction) -> int:
        """How many bytes a move stores; of one with a mask it is not known."""
        name, source = instruction.name, instruction.operands[0]
        if "{" in instruction.operands[-1] or not re.match("v?mov", name):
            return 0
        if source.startswith("$"):
            return _PLAIN_MOVES.get(name, 0)
        return _PARTS.get(name.removeprefix("v")) or _REGISTERS.get(source, ("", 0))[1]

    def _result(self, instruction: _Instruction) -> Value:
        """What an instruction leaves in its last operand, a register."""
        name, operands = instruction.name, instruction.operands
        _, n_bytes = _REGISTERS[operands[-1]]
        if len(operands) >= 2 and operands[0] == operands[1] and re.match("v?p?xor|sub$", name):
            return "", 0
        if name == "lea":
            return self.place(operands[0], instruction.absolute)
        known, number = self.value(operands[0])
        if name in _PLAIN_MOVES and (n_bytes == 8 or (n_bytes == 4 and not known)):
            return known, number
        if _VECTOR_MOVES.match(name) and (known, number) == ("", 0):
            return "", 0
        if name in ("add", "sub") and n_bytes == 8 and not known:
            start, distance = self.value(operands[-1])
            return start, distance + (number if name == "add" else -number)
        return self.unknown()

    def held(self, place: Value) -> dict[int, int | None]:
        """What each stored byte of a configuration holds; None: nobody knows."""
        bytes_: dict[int, int | None] = {}
        for (name, start), n_bytes, (unknown, number) in self.stores:
            for byte in range(SIZE):
                # Distances are as large as a register: -0x40 may be written 0xffffffffffffffc0.
                offset = (place[1] + byte - start) % 2**64
                if name == place[0] and offset < n_bytes:
                    bytes_[byte] = None if unknown else (number >> 8 * offset) & 0xFF
        return bytes_


def _surely_before(function: list[_Instruction], end: int) -> list[_Instruction]:
    """What is executed before that one, from as far back as there is one way to come to each."""
    index = {instruction.address: n for n, instruction in enumerate(function)}
    ways = defaultdict(list)
    for n, instruction in enumerate(function):
        if instruction.goes_on:
            ways[n + 1].append(n)
        if instruction.target in index:
            ways[index[instruction.target]].append(n)
    run: list[int] = []
    at = end
    # To the first one leads a call, too.
    while at and len(ways[at]) == 1 and ways[at][0] not in run:
        at = ways[at][0]
        run.append(at)
    return [function[n] for n in reversed(run)]


def _judged(name: str, lines: list[str]) -> Iterator[TileLoad]:
    function = [found for line in lines if (found := _Instruction.read(line))]
    for n, instruction in enumerate(function):
        if instruction.name != "ldtilecfg":
            continue
        run = _Run()
        for before in _surely_before(function, n):
            run.step(before)
        place = run.place(instruction.operands[0], instruction.absolute)
        held = run.held(place)
        # A constant of the file is whole without any store.
        needed = range(SIZE) if held or place[0] else ()
        yield TileLoad(
            name,
            instruction.address,
            tuple(byte for byte in needed if byte not in held),
            tuple(byte for byte in sorted(SHAPES) if held.get(byte) == 0),
        )


def tile_loads(listing: Iterable[str]) -> Iterator[TileLoad]:
    """Every `ldtilecfg` in the lines of `objdump -d --no-show-raw-insn` of something linked."""
    name, lines, loads_tiles = "", list[str](), False
    for line in listing:
        if found := _FUNCTION.match(line):
            if loads_tiles:
                yield from _judged(name, lines)
            name, lines, loads_tiles = found[1], [], False
        else:
            lines.append(line)
            loads_tiles = loads_tiles or "\tldtilecfg" in line
    if loads_tiles:
        yield from _judged(name, lines)


def tile_loads_in(library: Path, objdump: str) -> list[TileLoad]:
    """Every `ldtilecfg` in a library; its listing is long, and read as it comes."""
    command = [objdump, "-d", "--no-show-raw-insn", str(library)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = list(tile_loads(process.stdout))
    assert process.returncode == 0, command
    return found
