"""Formatter functions, one a line of the syscall table, generated from it.

A line of the table becomes Python source, an expression for each argument; one function joins them into the text of
a line, another makes pairs of them. All take the same parameters:

    r                 the result
    a0 … a5           the arguments, unsigned, as the registers held them
    S                 the memory: a list of tuples (arg, flags, address, full length, bytes)
    P                 the process
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from retrograde.events import SegmentFlag
from retrograde.printer.dialect import CUT, SHOWN_ELEMENTS, Dialect, Memo
from retrograde.printer.messages import MSGHDR_SIZE, at_address, iovec_pieces, parse_message
from retrograde.printer.structs import BytesFormatter, struct_formatter
from retrograde.state.calls import SegmentTuple
from retrograde.state.context import Context
from retrograde.state.process import Process
from retrograde.state.text import printable
from retrograde.syscalls import ConstantSet, Param, Syscall, Table, Type

# Plain numbers: an enumeration's operators are slow.
_FAULT = int(SegmentFlag.FAULT)
_NESTED = int(SegmentFlag.NESTED)
_OUT = int(SegmentFlag.OUT)


Segments = list[SegmentTuple]
# (result, a0, a1, a2, a3, a4, a5, segments, process)
Formatter = Callable[..., str]
PairsFormatter = Callable[..., list[tuple[str, str]]]
ValueFormatter = Callable[[int, Process], str]

_NOBODY = Process(0, 0, Context())

PARAMETERS = "r, a0, a1, a2, a3, a4, a5, S, P"

# Results that never reach user space, but do reach a tracepoint (include/linux/errno.h).
KERNEL_ERRORS = {512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 515: "ENOIOCTLCMD",
                 516: "ERESTART_RESTARTBLOCK", 517: "EPROBE_DEFER", 524: "ENOTSUPP"}  # fmt: skip
# What becomes of a call that a signal has interrupted, in strace's words (arch/x86/kernel/signal.c: handle_signal).
_INTERRUPTED = {512: "To be restarted if SA_RESTART is set", 513: "To be restarted",
                514: "To be restarted if no handler", 516: "Interrupted by signal"}  # fmt: skip
_FILE_TYPES = {0o140000: "S_IFSOCK", 0o120000: "S_IFLNK", 0o100000: "S_IFREG", 0o060000: "S_IFBLK",
               0o040000: "S_IFDIR", 0o020000: "S_IFCHR", 0o010000: "S_IFIFO"}  # fmt: skip
_NESTED_OR_FAULT = _NESTED | _FAULT


def signed(value: int, width: int) -> int:
    """Return the lowest `width` bytes of a number as a signed one."""
    bits = 8 * width
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def find(segments: Segments, argument: int) -> SegmentTuple | None:
    """Return the memory that an argument points to: what was written, if that is there, else what was read."""
    found = None
    for segment in segments:
        if segment[0] == argument and not segment[1] & _NESTED:
            if found is None or (segment[1] & _OUT and not found[1] & _OUT):
                found = segment
            if found[1] & _OUT:
                break
    return found


def nested(segments: Segments, argument: int) -> Segments:
    """Return the memory that was reached through pointers in an argument's memory."""
    return [segment for segment in segments if segment[0] == argument and segment[1] & _NESTED]


def mode_text(value: int) -> str:
    """Return a file's mode: `S_IFREG|0644`, or `0644` for one without a type."""
    kind = _FILE_TYPES.get(stat.S_IFMT(value))
    permissions = f"0{value & 0o7777:o}" if value & 0o7777 else "0"
    return f"{kind}|{permissions}" if kind else (f"0{value:o}" if value else "0")


def device_text(value: int) -> str:
    """Return a device's number as major:minor (include/linux/kdev_t.h, new_encode_dev)."""
    major = (value >> 8) & 0xFFF | (value >> 32) & 0xFFFFF000
    minor = value & 0xFF | (value >> 12) & 0xFFFFFF00
    return f"{major}:{minor}"


class Renderer:
    """Makes and keeps the formatters of a table's lines in one look.

    Args:
        table: the syscall table.
        dialect: the look.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        self.table = table
        self.dialect = dialect
        self.errors = Memo(self._error)
        self._namespace: dict[str, Any] = {"E": self.errors, "strace_errors": Memo(self.strace_error)}
        self._values: dict[tuple[str, str, int], str] = {}
        self._structs: dict[str, BytesFormatter] = {}
        self._made: dict[tuple[str, str], Callable[..., Any]] = {}

    def info(self, syscall: Syscall) -> Formatter:
        """Return the formatter of `res=… name=value …`."""
        return self._get("info", syscall)

    def entry(self, syscall: Syscall) -> Formatter:
        """Return the same without the result, for calls that have not returned."""
        return self._get("entry", syscall)

    def pairs(self, syscall: Syscall) -> PairsFormatter:
        """Return the formatter of [(name, text), …], the result first."""
        return self._get("pairs", syscall)

    def entry_pairs(self, syscall: Syscall) -> PairsFormatter:
        """Return the same without the result."""
        return self._get("entry_pairs", syscall)

    def line(self, syscall: Syscall) -> Formatter:
        """Return the formatter of `name res=… name=value …`."""
        return self._get("line", syscall)

    def strace(self, syscall: Syscall) -> Formatter:
        """Return the formatter of `name(value, value) = result`."""
        return self._get("strace", syscall)

    def strace_entry(self, syscall: Syscall) -> Formatter:
        """Return the formatter of `name(value, value`, of a call that has not returned."""
        return self._get("strace_entry", syscall)

    def result(self, syscall: Syscall) -> Formatter:
        """Return the formatter of the result alone."""
        return self._get("result", syscall)

    def argument(self, syscall: Syscall, name: str) -> Formatter | None:
        """Return the formatter of one argument (`res` or `fd`: the result), None where there is none of the name."""
        if name == self.result_name(syscall):
            return self.result(syscall)
        if any(param.name == name for param in syscall.params):
            return self._get(f"argument {name}", syscall)
        return None

    @staticmethod
    def result_name(syscall: Syscall) -> str:
        """Return what the result is called: `fd` where it is one and no argument is called so, else `res`."""
        is_descriptor = syscall.returns.kind == "fd" and all(param.name != "fd" for param in syscall.params)
        return "fd" if is_descriptor else "res"

    # ---- generation ----

    def _get(self, form: str, syscall: Syscall) -> Callable[..., Any]:
        key = (form, syscall.full_name)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self.compile(self._source(form, syscall))
        return made

    def _source(self, form: str, syscall: Syscall) -> str:
        is_exec = syscall.name in ("execve", "execveat") and not form.startswith("entry")
        clones = syscall.name == "clone3" and not form.endswith("entry")
        values = [
            (param.name, self._argument(param, position, is_exec, clones))
            for position, param in enumerate(syscall.params)
        ]
        return self.assemble(form, syscall, values)

    def assemble(self, form: str, syscall: Syscall, values: list[tuple[str, str]]) -> str:  # noqa: PLR0911
        """Return the source of a form: an expression.

        Args:
            form: `line`, `info`, `strace`, ….
            syscall: the line of the table.
            values: names and sources of the arguments.
        """
        result = (self.result_name(syscall), self._result(syscall))
        named = [result, *values] if form in ("info", "pairs") else values
        if form in ("info", "entry"):
            return 'f"' + " ".join(f"{name}={{{source}}}" for name, source in named) + '"'
        if form in ("pairs", "entry_pairs"):
            return "[" + ", ".join(f'("{name}", f"{{{source}}}")' for name, source in named) + "]"
        if form == "line":
            return f'f"{syscall.name} ' + " ".join(f"{name}={{{source}}}" for name, source in [result, *values]) + '"'
        if form == "strace":
            shown = ", ".join(f"{{{source}}}" for _, source in values)
            return f'f"{syscall.name}({shown}) = {{{self._strace_result(syscall)}}}"'
        if form == "strace_entry":
            return f'f"{syscall.name}(' + ", ".join(f"{{{source}}}" for _, source in values) + '"'
        if form == "result":
            return f'f"{{{result[1]}}}"'
        wanted = form.removeprefix("argument ")
        return f'f"{{{dict(values)[wanted]}}}"'

    def compile(self, expression: str, parameters: str = PARAMETERS) -> Callable[..., Any]:
        """Return a function of the parameters."""
        made: Callable[..., Any] = eval(f"lambda {parameters}: {expression}", self._namespace)
        return made

    def define(self, parameters: str, *lines: str) -> Callable[..., Any]:
        """Return a function of the parameters whose body has several lines, indented."""
        found: dict[str, Any] = {}
        exec("\n".join([f"def made({parameters}):", *lines]), self._namespace, found)
        made: Callable[..., Any] = found["made"]
        return made

    def bind(self, value: Any) -> str:
        """Return a name under which formatters see a value."""
        name = f"_{len(self._namespace)}"
        self._namespace[name] = value
        return name

    def _result(self, syscall: Syscall) -> str:
        returns = syscall.returns
        if returns.kind in ("int", "long", "ssize", "size", "offset", "i32", "i64", "u64", "ulong", "void", "errno"):
            return "r if r >= 0 or r < -4095 else E[r]"
        value = self.value(returns, "r")
        return f"{value} if r >= 0 or r < -4095 else E[r]"

    def _strace_result(self, syscall: Syscall) -> str:
        return self._result(syscall).replace("E[r]", "strace_errors[r]")

    def strace_error(self, result: int) -> str:
        """Return a failed call's result as strace shows it: `-1 ENOENT (No such file or directory)`."""
        number = -result
        if number in KERNEL_ERRORS:
            meaning = _INTERRUPTED.get(number)
            return f"? {KERNEL_ERRORS[number]}" + (f" ({meaning})" if meaning else "")
        name = self.table.errno.get(number)
        return f"-1 {name} ({os.strerror(number)})" if name is not None else str(result)

    def _error(self, result: int) -> str:
        name = self.table.errno.get(-result) or KERNEL_ERRORS.get(-result)
        return f"{result}({name})" if name else str(result)

    def _argument(self, param: Param, position: int, is_exec: bool, clones: bool) -> str:
        variable = f"a{position}"
        if param.direction is None:
            return self.value(param.type, variable)
        source = f"{self.bind(self._memory(param, position))}({variable}, S, P)"
        if clones:
            # The child's copy was read late, from a stack that it may share with its parent.
            return f"({source} if r else hex({variable}))"
        if is_exec:
            # A successful exec has replaced the memory it was called with; its EXEC event has told what it was.
            return f"({source} if S or r else {self.bind(self._executed(param, position))}({variable}, P))"
        return source

    # ---- numbers ----

    def value(self, type_: Type, variable: str) -> str:
        """Return the source that shows a number: a register's, which may be wider than the type, or a field's."""
        key = (type_.kind, type_.name, type_.width)
        template = self._values.get(key)
        if template is None:
            template = self._values[key] = self._value_template(type_)
        return template.replace("$", variable)

    def _value_template(self, type_: Type) -> str:  # noqa: PLR0911 - one return a kind of number
        kind, width = type_.kind, type_.width or 8
        if kind == "fd":
            return f"P.descriptors.{self.dialect.labels}[$]"
        if kind == "dirfd":
            current = self.bind(Memo(self._dirfd))
            return f"(P.descriptors.{self.dialect.labels}[$] if $ < 2147483648 else {current}[$])"
        if type_.name in ("sigset", "sigmask", "sigbits") and type_.width == 8:
            return self.bind(Memo(self._signal_mask)) + "[$]"
        if kind in ("flags", "enum", "mixed"):
            return self.bind(Memo(self._set_text(self.table.constants[type_.name], width))) + "[$]"
        if kind == "addr":
            return "(hex($) if $ else 'NULL')"
        if kind in ("pid", "tid"):
            return f"{self.bind(self._pid)}($, P)"
        if kind in ("uid", "gid"):
            return f"{self.bind(self._user if kind == 'uid' else self._group)}($, P)"
        by_value: dict[str, Callable[[int], str]] = {
            "mode": lambda value: mode_text(value & 0xFFFFFFFF),
            "dev": device_text,
            "signo": lambda value: self._named(value, self.table.signals),
            "errno": lambda value: self._named(value, self.table.errno),
            "clockid": self._clock,
            "wstatus": lambda value: self._wait_status(value & 0xFFFFFFFF),
            "key": lambda value: f"0x{value & 0xFFFFFFFF:x}",
        }
        if kind in by_value:
            return self.bind(Memo(by_value[kind])) + "[$]"
        if width == 8:
            return "($ if $ < 0x8000000000000000 else $ - 0x10000000000000000)" if type_.signed else "$"
        mask, sign = (1 << 8 * width) - 1, 1 << (8 * width - 1)
        return f"(($ & {mask} ^ {sign}) - {sign})" if type_.signed else f"($ & {mask})"

    def _set_text(self, values: ConstantSet, width: int) -> Callable[[int], str]:
        mask = (1 << 8 * width) - 1

        def text(value: int) -> str:
            value &= mask
            number = signed(value, width) if values.signed else value
            word = values.format(value)
            if values.kind == "enum" and values.name_of(value) is None and self.dialect.name == "sysdig":
                return str(number) if number < 0x1_0000_0000 else hex(number)
            if word in (str(number), hex(value)):
                return word
            return self.dialect.meaning(number if number < 10 or values.kind == "enum" else hex(number), word)

        return text

    def _dirfd(self, value: int) -> str:
        number = signed(value, 4)
        return self.dialect.meaning(number, "AT_FDCWD") if number == -100 else str(number)

    def _named(self, value: int, names: dict[int, str]) -> str:
        number = signed(value, 4)
        name = names.get(number)
        return self.dialect.meaning(number, name) if name else str(number)

    def _clock(self, value: int) -> str:
        number = signed(value, 4)
        values = self.table.constants.get("clockid")
        name = values.name_of(number) if values is not None else None
        return self.dialect.meaning(number, name) if name else str(number)

    def _pid(self, value: int, process: Process) -> str:
        number = signed(value, 4)
        if self.dialect.name == "sysdig" and number > 0:
            known = process.relative(number)
            if known is not None and known.name:
                return f"{number}({printable(known.name)})"
        return str(number)

    def _user(self, value: int, process: Process) -> str:
        return self._identity(value, process.context.users)

    def _group(self, value: int, process: Process) -> str:
        return self._identity(value, process.context.groups)

    def _identity(self, value: int, names: dict[int, str]) -> str:
        value &= 0xFFFFFFFF
        if value == 0xFFFFFFFF:
            return "-1"
        name = names.get(value) if self.dialect.name == "sysdig" else None
        return f"{value}({name})" if name else str(value)

    def _wait_status(self, status: int) -> str:
        number = status & 0x7F
        signals = self.table.signals
        if status == 0xFFFF:
            return self.dialect.meaning(status, "continued")
        if number == 0:
            return self.dialect.meaning(status, f"exited {(status >> 8) & 0xFF}")
        if status & 0xFF == 0x7F:
            stopped = status >> 8 & 0xFF
            return self.dialect.meaning(status, f"stopped {signals.get(stopped, stopped)}")
        core = " core dumped" if status & 0x80 else ""
        return self.dialect.meaning(status, f"killed {signals.get(number, number)}{core}")

    # ---- memory ----

    def _memory(self, param: Param, position: int) -> Callable[[int, Segments, Process], str]:
        """Return what shows the memory that an argument points to."""
        kind = param.type.kind
        if kind in ("bytes", "path", "string"):
            show = self.dialect.data if kind == "bytes" else self.dialect.text

            def of_bytes(address: int, segments: Segments, process: Process) -> str:
                for segment in segments:
                    if segment[0] == position and not segment[1] & _NESTED_OR_FAULT:
                        return show(segment[4], segment[3])
                return absent(address, segments, position)

            return of_bytes
        special: dict[str, Callable[[bytes, Segments, Process], str]] = {
            "iovec": self._iovecs,
            "msghdr": self._message,
            "mmsghdr": self._messages,
        }
        if kind == "strings":
            return self._strings(param, position)
        if kind in special:
            with_nested = special[kind]

            def of_nested(address: int, segments: Segments, process: Process) -> str:
                found = find(segments, position)
                if found is None or found[1] & _FAULT:
                    return absent(address, segments, position)
                return with_nested(found[4], nested(segments, position), process)

            return of_nested
        whole = self.bytes_formatter(param.type)
        brackets = self.dialect.name == "strace" and param.type.width > 0

        def of_value(address: int, segments: Segments, process: Process) -> str:
            found = find(segments, position)
            if found is None or found[1] & _FAULT:
                return absent(address, segments, position)
            text = whole(found[4], process)
            return f"[{text}]" if brackets else text

        return of_value

    def _executed(self, param: Param, position: int) -> ValueFormatter:
        """Return what shows an argument of a successful exec."""

        def quoted(text: str) -> str:
            data = text.encode("utf-8", "surrogateescape")
            return self.dialect.text(data, len(data))

        def executed(address: int, process: Process) -> str:
            if param.type.kind == "path" and process.exec_filename is not None:
                return quoted(process.exec_filename)
            if param.type.kind == "strings" and param.name.startswith("arg") and process.exe:
                return self._string_list([quoted(text) for text in (process.exe, *process.args)])
            if param.type.kind == "strings" and param.name.startswith("env") and process.environ is not None:
                if self.dialect.name == "strace":
                    return f"0x{address:x} /* {len(process.environ)} vars */"
                return self._string_list([quoted(text) for text in process.environ])
            return absent(address, [], position)

        return executed

    @staticmethod
    def _string_list(texts: list[str]) -> str:
        more = f", {CUT}" if len(texts) > 2 * SHOWN_ELEMENTS else ""
        return "[" + ", ".join(texts[: 2 * SHOWN_ELEMENTS]) + more + "]"

    def _strings(self, param: Param, position: int) -> Callable[[int, Segments, Process], str]:
        def of_strings(address: int, segments: Segments, process: Process) -> str:
            parts = [segment for segment in nested(segments, position) if not segment[1] & _FAULT]
            if not parts:
                return absent(address, segments, position)
            return self._string_list([self.dialect.text(data, full) for _, _, _, full, data in parts])

        return of_strings

    def _iovecs(self, data: bytes, segments: Segments, process: Process) -> str:
        return self.dialect.vector(iovec_pieces(data, segments))

    def _message(self, data: bytes, segments: Segments, process: Process) -> str:
        message = parse_message(data)
        if message is None:
            return data.hex()
        parts = []
        if message.name and message.name_length:
            name = at_address(segments, message.name)
            text = self.dialect.socket_address(name[: message.name_length]) if name is not None else hex(message.name)
            parts.append(f"msg_name={text}")
        array = at_address(segments, message.iovecs) if message.iovecs else None
        if array is not None:
            parts.append(f"msg_iov={self.dialect.vector(iovec_pieces(array, segments))}")
        elif message.iovecs:
            parts.append(f"msg_iov={message.iovecs:#x}")
        if message.control and message.control_length:
            control = at_address(segments, message.control)
            text = self._control(control[: message.control_length], process) if control else hex(message.control)
            parts.append(f"msg_control={text}")
        if "msg_flags" in self.table.constants:
            flags = self.table.constants["msg_flags"].format(message.flags)
            parts.append(f"msg_flags={flags}")
        return "{" + ", ".join(parts) + "}"

    def _control(self, data: bytes, process: Process) -> str:
        """Return control messages (cmsg(3)): passed descriptors by name, others by level and type."""
        parts = []
        at = 0
        labels = getattr(process.descriptors, self.dialect.labels)
        while at + 16 <= len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            level, kind = (int.from_bytes(data[at + o : at + o + 4], "little") for o in (8, 12))
            if length < 16:
                break
            body = data[at + 16 : at + length]
            if (level, kind) == (1, 1):
                numbers = [int.from_bytes(body[o : o + 4], "little") for o in range(0, len(body) // 4 * 4, 4)]
                parts.append("SCM_RIGHTS " + " ".join(labels[number] for number in numbers))
            elif (level, kind) == (1, 2) and len(body) >= 12:
                pid, uid, gid = (int.from_bytes(body[o : o + 4], "little") for o in (0, 4, 8))
                parts.append(f"SCM_CREDENTIALS pid={pid} uid={uid} gid={gid}")
            else:
                parts.append(f"{level}:{kind} {body[:32].hex()}")
            at += (length + 7) & ~7
        return "[" + ", ".join(parts) + "]"

    def _messages(self, data: bytes, segments: Segments, process: Process) -> str:
        parts = []
        for at in range(0, len(data) - MSGHDR_SIZE - 3, 64):
            length = int.from_bytes(data[at + 56 : at + 60], "little")
            parts.append(f"{{msg_hdr={self._message(data[at : at + 56], segments, process)}, msg_len={length}}}")
            if len(parts) == SHOWN_ELEMENTS:
                parts.append(CUT)
                break
        return "[" + ", ".join(parts) + "]"

    def bytes_formatter(self, type_: Type) -> BytesFormatter:  # noqa: PLR0911 - one return a kind of memory
        """Return what shows memory of a type that needs nothing but its bytes."""
        kind = type_.kind
        if kind == "struct":
            return self.struct_formatter(type_.name)
        if kind == "array" and type_.element is not None:
            return self.array_formatter(type_.element)
        if kind == "sockaddr":
            return lambda data, process: self.dialect.socket_address(data)
        if kind == "fdset":
            return self._descriptor_set
        if kind == "bytes":
            return lambda data, process: self.dialect.data(data, len(data))
        if kind in ("string", "path"):
            return lambda data, process: self.dialect.text(data, len(data))
        if type_.width:
            width = type_.width
            show = self.value_formatter(type_)

            def number(data: bytes, process: Process) -> str:
                return show(int.from_bytes(data[:width], "little"), process) if data else ""

            return number
        return lambda data, process: "0x" + data[:32].hex() + (CUT if len(data) > 32 else "")

    def value_formatter(self, type_: Type) -> ValueFormatter:
        """Return what shows a number of a type."""
        source = self.value(type_, "v")
        made: ValueFormatter = eval(f'lambda v, P: f"{{{source}}}"', self._namespace)
        return made

    def array_formatter(self, element: Type) -> BytesFormatter:
        """Return what shows an array of elements of a type."""
        size = self.table.element_size(element)
        if element.name == "sigset" or (element.kind == "struct" and element.name == "sigset"):
            return self.bytes_formatter(element)
        show = self.bytes_formatter(element)

        def array(data: bytes, process: Process) -> str:
            count = -(-len(data) // size) if size else 0
            shown = [show(data[at : at + size], process) for at in range(0, min(count, SHOWN_ELEMENTS) * size, size)]
            return "[" + ", ".join(shown) + (f", {CUT}]" if count > SHOWN_ELEMENTS else "]")

        return array

    def _descriptor_set(self, data: bytes, process: Process) -> str:
        bits = int.from_bytes(data, "little")
        labels = getattr(process.descriptors, self.dialect.labels)
        numbers = [number for number in range(bits.bit_length()) if bits >> number & 1]
        return "[" + " ".join(labels[number] for number in numbers) + "]"

    def signal_set(self, data: bytes, process: Process) -> str:
        """Return a set of signals: `[SIGINT SIGTERM]`, or `~[…]` of those that are missing from a nearly full one."""
        names = self.table.signals
        bits = int.from_bytes(data[:8], "little")
        members = [number for number in range(1, 65) if bits >> (number - 1) & 1]
        prefix = ""
        if len(members) > 32:
            prefix = "~"
            members = [number for number in range(1, 65) if not bits >> (number - 1) & 1]
        return prefix + "[" + " ".join(names.get(number, f"SIGRT_{number - 32}") for number in members) + "]"

    def _signal_mask(self, bits: int) -> str:
        return self.signal_set(bits.to_bytes(8, "little"), _NOBODY)

    def struct_formatter(self, name: str) -> BytesFormatter:
        """Return what shows a structure; of one that was cut, the fields that are whole."""
        made = self._structs.get(name)
        if made is None:
            made = self.signal_set if name == "sigset" else struct_formatter(self, self.table.structs[name])
            self._structs[name] = made
        return made


def absent(address: int, segments: Segments, argument: int) -> str:
    """Return what stands for memory that was not kept: its address, and whether it could not be read."""
    if not address:
        return "NULL"
    for segment in segments:
        if segment[0] == argument and segment[1] & _FAULT:
            return f"0x{address:x}(<fault>)"
    return f"0x{address:x}"
