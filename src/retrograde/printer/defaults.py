"""What is printed of events unless the user names other fields."""

DEFAULT_FORMAT = "*%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info"
# Of --json.
DEFAULT_KEYS = (
    "evt.num", "evt.rawtime", "evt.cpu", "proc.name", "proc.pid", "thread.tid", "evt.dir", "evt.type", "evt.category",
    "evt.rawres", "evt.res", "evt.latency", "fd.num", "fd.name", "evt.args",
)  # fmt: skip
