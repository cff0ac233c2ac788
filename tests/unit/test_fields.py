"""The fields: all that are promised, each usable, and the verb that lists them."""

from __future__ import annotations

import json

import pytest

from retrograde.cli import main
from retrograde.events import Event, Kind
from retrograde.fields import FAMILIES, FIELDS, UnknownFieldError, lookup
from retrograde.fields.choices import CATEGORIES, OTHER_EVENTS, event_types, results
from retrograde.state import Context, Process
from retrograde.syscalls import load

# The fields that users of such tools filter by most, which is what the language promises.
PROMISED = (
    "evt.{num,time,datetime,rawtime,reltime,deltatime,latency,cpu,dir,type,category,args,arg.NAME,arg[N],rawarg.NAME,res,"
    "rawres,failed,buffer,buflen,is_io,is_io_read,is_io_write,is_wait,count} "
    "syscall.type "
    "proc.{pid,name,exe,exepath,args,cmdline,cwd,env,ppid,pname,pcmdline,aname[N],apid[N],tty,vpid,sid,loginshellid,"
    "duration} "
    "thread.{tid,vtid,ismain} user.{uid,name,loginuid} group.{gid,name} container.{id,name} "
    "fd.{num,name,type,typechar,directory,filename,ip,port,sip,sport,cip,cport,lip,lport,rip,rport,l4proto,sockfamily}"
)


def promised() -> list[str]:
    """Return the promised names, one by one."""
    names = []
    for group in PROMISED.split():
        prefix, brace, members = group.partition("{")
        names += [prefix + member for member in members.rstrip("}").split(",")] if brace else [prefix]
    return names


@pytest.mark.parametrize("name", promised())
def test_a_promised_field_is_there_and_described(name: str) -> None:
    entry = FAMILIES[name] if name in FAMILIES else FIELDS[name]
    assert entry.description
    assert entry.description[0].islower() or not entry.description[0].isalpha() or entry.description[:3].isupper() \
        or entry.description.startswith("CPU")  # fmt: skip


def sample() -> Event:
    line = load("x86_64").by_name["read"]
    process = Process(7, 1, Context(realtime_offset=1), name="cat", exe="cat", args=["x"])
    return Event(0, Kind.SYSCALL, 0, 0, 7, 7, line.number, 10, 30, 5, (3, 4096, 5, 0, 0, 0), [], line, process)


@pytest.mark.parametrize(
    "name", [*FIELDS, "evt.arg.count", "evt.arg[2]", "evt.rawarg.count", "proc.aname[1]", "proc.apid[0]"]
)
def test_a_field_yields_its_type_or_nothing(name: str) -> None:
    field = lookup(name)
    types = {"int": int, "str": str, "bool": bool, "time": int, "list": list}
    value = field.extract(sample())
    assert value is None or type(value) is types[field.type]
    for kind in range(1, 10):
        bare = Event(0, kind, 0, 0, 7, 7, -1, 10, 30, 0, (0,) * 6, [])
        value = field.extract(bare)
        assert value is None or type(value) is types[field.type]


def test_values() -> None:
    event = sample()
    expected = {
        "evt.latency": 20, "evt.rawtime": 31, "evt.type": "read", "evt.category": "file", "evt.is_io_read": True,
        "evt.buflen": 5, "evt.rawarg.count": 5, "evt.rawarg.nothing": None, "evt.rawarg.res": 5, "evt.res": "SUCCESS",
        "proc.cmdline": "cat x", "proc.apid[0]": 7, "thread.ismain": True, "user.uid": None,
    }  # fmt: skip
    assert {name: lookup(name).extract(event) for name in expected} == expected


def test_a_number_of_messages_is_no_length() -> None:
    event = sample()
    event.syscall = load("x86_64").by_name["recvmmsg"]
    assert event.syscall.io is not None
    assert lookup("evt.buflen").extract(event) is None


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("evt.tpye", "evt.type"),
        ("pid", "proc.pid"),
        ("process.name", "proc.name"),
        ("zzzzz", None),
        ("fd.nmae", "fd.name"),
    ],
)
def test_an_unknown_field_names_the_nearest(name: str, nearest: str | None) -> None:
    with pytest.raises(UnknownFieldError) as caught:
        lookup(name)
    assert caught.value.nearest == nearest


def test_choices_are_what_the_table_has() -> None:
    for arch in ("x86_64", "arm64"):
        table = load(arch)
        assert set(table.by_name) <= event_types()
        assert {line.category for line in table.calls.values()} <= set(CATEGORIES)
        assert set(table.errno.values()) <= results()
    assert set(OTHER_EVENTS) <= event_types()
    assert {"ERESTARTSYS", "SUCCESS"} <= results()


# ---- the verb ----


def test_the_verb_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fields"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines[1:]} == {*FIELDS, *FAMILIES}


def test_the_verb_lists_a_prefix_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fields", "fd.s", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {entry["name"] for entry in entries} == {"fd.sip", "fd.sport", "fd.sockfamily"}
    assert main(["fields", "evt.arg.flags"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("evt.arg.flags")


def test_the_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fields", "proc.nmae"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "did you mean proc.name?" in output.err
