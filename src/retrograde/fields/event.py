"""Fields of the event itself: `evt.*`, `syscall.*`."""

from __future__ import annotations

from retrograde.events import Event, Kind
from retrograde.fields import choices
from retrograde.fields.registry import Extract, define, define_family

# The printer is imported where it is used: its formats print fields, and so it imports this package.

# Their result is a number of messages, not of bytes.
COUNTS_MESSAGES = frozenset({"sendmmsg", "recvmmsg"})
_OTHER_CATEGORIES: dict[int, str] = {
    Kind.FORK: "process",
    Kind.EXEC: "process",
    Kind.EXIT: "process",
    Kind.SIGNAL: "signal",
    Kind.SWITCH: "sched",
    Kind.START: "process",
    Kind.MAPPED: "memory",
    Kind.TRAP: "system",
    Kind.WRITTEN: "file",
    Kind.CHECKSUM: "memory",
}


def _realtime(event: Event) -> int:
    offset = event.process.context.realtime_offset if event.process is not None else 0
    return event.exit + offset


def _event_type(event: Event) -> str:
    if event.syscall is not None:
        return event.syscall.name
    from retrograde.printer.arguments import event_type

    return event_type(event)


@define("evt.num", "int", "number of the event in the recording, from 0")
def _num(event: Event) -> int:
    return event.seq


@define("evt.time", "time", "time of day of the event (a call's end), to the ns")
def _time(event: Event) -> int:
    return _realtime(event)


@define("evt.outputtime", "time", "the time as the option -t asks for it")
def _outputtime(event: Event) -> int:
    return _realtime(event)


@define("evt.datetime", "str", "date and time of the event, to the ns")
def _datetime(event: Event) -> str:
    from retrograde.printer.times import datetime_text

    return datetime_text(_realtime(event))


@define("evt.rawtime", "int", "ns since 1970 (CLOCK_REALTIME)")
def _rawtime(event: Event) -> int:
    return _realtime(event)


@define("evt.reltime", "int", "ns since the first event of the recording", unit="ns")
def _reltime(event: Event) -> int | None:
    start = event.process.context.start_ns if event.process is not None else None
    return event.exit - start if start is not None else None


@define("evt.deltatime", "int", "ns since the event before", unit="ns")
def _deltatime(event: Event) -> int | None:
    if event.process is None:
        return None
    before = event.process.context.previous_ns
    return event.exit - before if before is not None else 0


@define("evt.latency", "int", "ns from the call's start to its end", unit="ns")
def _latency(event: Event) -> int | None:
    return event.latency if event.kind == Kind.SYSCALL else None


@define("evt.cpu", "int", "CPU on which it happened")
def _cpu(event: Event) -> int:
    return event.cpu


@define(
    "evt.dir",
    "str",
    "< for a call that returned and for other events, > for a call that did not",
    choices=lambda: ("<", ">"),
)
def _dir(event: Event) -> str:
    return ">" if event.kind == Kind.ENTER else "<"


@define(
    "evt.type",
    "str",
    "name of the system call, or clone, procexec, procexit, signaldeliver, switch, start, mapped, trap",
    kernel="syscall",
    choices=choices.event_types,
)
def _type(event: Event) -> str:
    return _event_type(event)


@define(
    "syscall.type",
    "str",
    "name of the system call; nothing for other events",
    kernel="syscall",
    choices=choices.syscalls,
)
def _syscall_type(event: Event) -> str | None:
    return _event_type(event) if event.kind in (Kind.SYSCALL, Kind.ENTER) else None


@define(
    "evt.category",
    "str",
    "file, memory, process, net, signal, time, ipc, event, system, sched or security",
    choices=lambda: choices.CATEGORIES,
)
def _category(event: Event) -> str | None:
    if event.syscall is not None:
        return event.syscall.category
    return _OTHER_CATEGORIES.get(event.kind)


@define("evt.args", "str", "all arguments and the result, as they are printed")
def _args(event: Event) -> str:
    from retrograde.printer.arguments import format_info

    return format_info(event)


@define("evt.info", "str", "the same as evt.args")
def _info(event: Event) -> str:
    from retrograde.printer.arguments import format_info

    return format_info(event)


@define_family("evt.arg.NAME", "str", "an argument by its name (`res` or `fd`: the result), as it is printed")
def _arg_named(parameter: str) -> Extract:
    def extract(event: Event) -> str | None:
        from retrograde.printer.arguments import arguments

        return next((text for name, text in arguments(event) if name == parameter), None)

    return extract


@define_family("evt.arg[N]", "str", "an argument by its position, from 0, as it is printed")
def _arg_numbered(parameter: str) -> Extract:
    position = int(parameter)

    def extract(event: Event) -> str | None:
        params = event.syscall.params if event.syscall is not None else ()
        if position >= len(params):
            return None
        from retrograde.printer.arguments import arguments

        wanted = params[position].name
        # The result stands first and may have the same name as an argument.
        return next((text for name, text in reversed(arguments(event)) if name == wanted), None)

    return extract


@define_family("evt.rawarg.NAME", "int", "an argument by its name, as the number that was passed")
def _rawarg_named(parameter: str) -> Extract:
    def extract(event: Event) -> int | None:
        from retrograde.printer.arguments import raw_argument

        return raw_argument(event, parameter)

    return extract


@define("evt.res", "str", "SUCCESS, or the name of the error", choices=choices.results)
def _res(event: Event) -> str | None:
    from retrograde.printer.arguments import result_name

    return result_name(event)


@define("evt.rawres", "int", "what the call returned; -4095 to -1 is an error's number, negative")
def _rawres(event: Event) -> int | None:
    return event.result if event.kind == Kind.SYSCALL else None


@define("evt.failed", "bool", "whether it is a call that returned an error")
def _failed(event: Event) -> bool:
    return event.failed


@define("evt.buffer", "str", "data that the call moved, one character a byte (Latin-1)")
def _buffer(event: Event) -> str | None:
    from retrograde.printer.payload import payload

    data = payload(event)
    return data.decode("latin-1") if data is not None else None


@define("evt.buflen", "int", "bytes that the call moved", unit="bytes")
def _buflen(event: Event) -> int | None:
    if event.kind != Kind.SYSCALL or event.syscall is None or event.syscall.io is None:
        return None
    return max(event.result, 0) if event.syscall.name not in COUNTS_MESSAGES else None


def _moves(event: Event) -> str | None:
    return event.syscall.io if event.syscall is not None else None


@define("evt.is_io", "bool", "whether the call moves data")
def _is_io(event: Event) -> bool:
    return _moves(event) is not None


@define("evt.is_io_read", "bool", "whether the call moves data to the process")
def _is_io_read(event: Event) -> bool:
    return _moves(event) == "read"


@define("evt.is_io_write", "bool", "whether the call moves data from the process")
def _is_io_write(event: Event) -> bool:
    return _moves(event) == "write"


@define("evt.is_wait", "bool", "whether the call may block")
def _is_wait(event: Event) -> bool:
    return event.syscall is not None and event.syscall.waits


@define("evt.count", "int", "always 1, to be summed")
def _count(event: Event) -> int:
    return 1
