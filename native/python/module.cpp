// retrograde.replay._core: the replayer for Python. Bindings alone; the logic is in native/replay.
#include "replay/checkpoint.h"
#include "replay/scratch.h"
#include "replay/session.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>

namespace nb = nanobind;
using namespace nb::literals;
using namespace retrograde;

namespace {

nb::bytes bytes_of(const void *data, std::size_t length) {
    return nb::bytes(static_cast<const char *>(data), length);
}

nb::bytes bytes_of(const std::vector<unsigned char> &data) {
    return bytes_of(data.data(), data.size());
}

nb::bytes bytes_of_registers(Tracee &tracee) {
    const Registers registers = without_resume_flag(tracee.registers());
    return bytes_of(&registers.raw, sizeof registers.raw);
}

std::vector<unsigned char> bytes_from(const nb::bytes &bytes) {
    const auto *data = reinterpret_cast<const unsigned char *>(bytes.c_str());
    return {data, data + bytes.size()};
}

Registers registers_from(const nb::bytes &bytes) {
    Registers registers;
    if (bytes.size() != sizeof registers.raw)
        throw nb::value_error("registers of another size");
    std::memcpy(&registers.raw, bytes.c_str(), sizeof registers.raw);
    return registers;
}

nb::bytes read_bytes(pid_t process, std::uint64_t address, std::size_t length) {
    std::vector<unsigned char> bytes(length);
    bytes.resize(read_memory(process, address, bytes.data(), bytes.size()));
    return bytes_of(bytes);
}

Task &main_task_of(Session &session, std::uint32_t pid) {
    if (Task *task = session.any_task_of(pid))
        return *task;
    throw Failure("there is no process " + std::to_string(pid) + " at event " + std::to_string(session.next_event()),
                  exit_usage);
}

// Signals for Python (Ctrl-C) come while the replay runs: Python's own handlers say what they mean.
bool python_was_interrupted() {
    nb::gil_scoped_acquire python;
    if (PyErr_CheckSignals() == 0)
        return false;
    PyErr_Clear();
    return true;
}

Session *open_session(const std::string &folder, const std::set<std::uint32_t> &follow, std::uint32_t focus, bool echo,
                      bool verify, bool checksums) {
    SessionOptions options;
    options.follow = follow;
    options.focus = focus;
    options.echo = echo;
    options.verify = verify;
    options.checksums = checksums;
    options.interrupted = python_was_interrupted;
    nb::gil_scoped_release others;
    return new Session(EventStream(folder), options);
}

Stop run(Session &session, std::uint64_t until_event, std::uint32_t step_tid, std::uint64_t steps,
         std::uint64_t time_limit_ns, bool stops,
         const std::optional<std::tuple<std::uint32_t, std::uint64_t, nb::bytes, nb::bytes>> &place,
         std::uint64_t pass) {
    RunRequest request;
    request.until_event = until_event;
    request.step_tid = step_tid;
    request.steps = steps;
    request.time_limit_ns = time_limit_ns;
    request.stops = stops;
    if (place)
        request.place = {std::get<0>(*place), std::get<1>(*place), registers_from(std::get<2>(*place)),
                         bytes_from(std::get<3>(*place)), pass};
    nb::gil_scoped_release others;
    return session.run(request);
}

} // namespace

NB_MODULE(_core, module) {
    module.attr("__doc__") = "The native replayer.";
    nb::set_leak_warnings(false); // what lives until the interpreter ends has no other end

    // Never destroyed: at the end of the program there is no interpreter to do it.
    static auto &failure_type = *new nb::object(nb::module_::import_("retrograde.replay.failures").attr("from_native"));
    nb::register_exception_translator(
        [](const std::exception_ptr &pointer, void *) {
            try {
                try {
                    std::rethrow_exception(pointer);
                } catch (const Divergence &divergence) {
                    failure_type(divergence.what(), divergence.exit_code(),
                                 nb::make_tuple(divergence.event(), divergence.tid(), divergence.registers()));
                } catch (const Failure &failure) {
                    failure_type(failure.what(), failure.exit_code(), nb::none());
                }
            } catch (nb::python_error &raised) {
                raised.restore();
            }
        },
        nullptr);

    nb::enum_<StopKind>(module, "StopKind")
        .value("EVENT", StopKind::event)
        .value("STEP", StopKind::step)
        .value("BREAKPOINT", StopKind::breakpoint)
        .value("WATCHPOINT", StopKind::watchpoint)
        .value("SIGNAL", StopKind::signal)
        .value("EXEC", StopKind::exec)
        .value("EXITED", StopKind::exited)
        .value("END", StopKind::end)
        .value("INTERRUPTED", StopKind::interrupted)
        .value("TIME_LIMIT", StopKind::time_limit)
        .value("PLACE", StopKind::place);

    nb::class_<Stop>(module, "Stop")
        .def(nb::init<>())
        .def_rw("kind", &Stop::kind)
        .def_rw("tid", &Stop::tid)
        .def_rw("signal", &Stop::signal)
        .def_rw("address", &Stop::address)
        .def_rw("status", &Stop::status)
        .def_ro("others_event", &Stop::event)
        .def_ro("steps", &Stop::steps)
        .def_ro("passes", &Stop::passes)
        .def_prop_ro("breakpoint", [](const Stop &stop) { return static_cast<int>(stop.breakpoint); });

    nb::class_<Checkpoint>(module, "Checkpoint").def_prop_ro("next_event", &Checkpoint::next_event);

    nb::class_<Session>(module, "Session")
        .def_static("open", &open_session, "folder"_a, "follow"_a, "focus"_a, "echo"_a, "verify"_a,
                    "checksums"_a = false, nb::rv_policy::take_ownership)
        .def("run", &run, "until_event"_a = ~0ull, "step_tid"_a = 0, "steps"_a = 1, "time_limit_ns"_a = 0,
             "stops"_a = true, "place"_a = nb::none(), "pass_"_a = 0)
        .def("interrupt", &Session::interrupt)
        .def_prop_ro("next_event", &Session::next_event)
        .def_prop_ro("size", [](Session &session) { return session.events().size(); })
        .def_prop_ro("checksums_compared", &Session::checksums_compared)
        .def_prop_ro("damage", [](Session &session) { return session.events().damage(); })
        .def_prop_rw("focus", &Session::focus, &Session::set_focus)
        .def("current_task", &Session::current_task)
        .def("event_before",
             [](Session &session, std::uint64_t event, std::uint32_t tid) {
                 const auto before = session.event_before(event, tid);
                 return before ? std::optional(std::tuple(before->event, before->tid, before->is_step)) : std::nullopt;
             })
        .def("threads",
             [](Session &session) {
                 std::vector<std::tuple<std::uint32_t, std::uint32_t, std::string, bool>> all;
                 for (const auto &[tid, task] : session.tasks())
                     all.emplace_back(task.pid, tid, task.name, task.in_call);
                 return all;
             })
        .def("registers",
             [](Session &session, std::uint32_t tid) {
                 Tracee &tracee = session.task(tid).tracee;
                 tracee.settle_after_call();
                 return bytes_of_registers(tracee);
             })
        .def("fp_registers",
             [](Session &session, std::uint32_t tid) { return bytes_of(session.task(tid).tracee.all_vectors()); })
        .def("tls", [](Session &session, std::uint32_t tid) { return session.task(tid).tracee.tls(); })
        .def("siginfo", [](Session &session, std::uint32_t tid) { return bytes_of(session.task(tid).siginfo); })
        .def("read_memory",
             [](Session &session, std::uint32_t pid, std::uint64_t address, std::size_t length) {
                 return read_bytes(main_task_of(session, pid).tracee.tid(), address, length);
             })
        .def("maps",
             [](Session &session, std::uint32_t pid) {
                 Task &task = main_task_of(session, pid);
                 const std::string text = task.space->text(task.tracee.tid());
                 return bytes_of(text.data(), text.size());
             })
        .def("auxv",
             [](Session &session, std::uint32_t pid) { return bytes_of(main_task_of(session, pid).space->auxv()); })
        .def("program",
             [](Session &session, std::uint32_t pid) {
                 const std::string &path = main_task_of(session, pid).space->program();
                 return bytes_of(path.data(), path.size());
             })
        .def("add_breakpoint",
             [](Session &session, int kind, std::uint64_t address, std::uint64_t length) {
                 session.add_breakpoint({static_cast<BreakpointKind>(kind), address, length});
             })
        .def("remove_breakpoint",
             [](Session &session, int kind, std::uint64_t address, std::uint64_t length) {
                 session.remove_breakpoint({static_cast<BreakpointKind>(kind), address, length});
             })
        .def("forget_reported", &Session::forget_reported)
        .def("mark_reported", &Session::mark_reported)
        .def("mark_told", &Session::mark_told)
        .def("is_at",
             [](Session &session, std::uint32_t tid, const nb::bytes &registers, const nb::bytes &stack) {
                 Tracee &tracee = session.task(tid).tracee;
                 tracee.settle_after_call();
                 return tracee.is_at(registers_from(registers)) && tracee.has_stack(bytes_from(stack));
             })
        .def("stack", [](Session &session, std::uint32_t tid) { return bytes_of(session.task(tid).tracee.stack()); })
        .def("cpu_time_ns", &Session::cpu_time_ns)
        .def("checkpoint", &Session::checkpoint, nb::call_guard<nb::gil_scoped_release>())
        .def("restore", &Session::restore, nb::call_guard<nb::gil_scoped_release>())
        .def("is_outdated", &Session::is_outdated)
        .def_prop_ro("places_moved", &Session::places_moved);

    nb::class_<Scratch>(module, "Scratch")
        .def(nb::init<Session &, std::uint32_t>(), nb::keep_alive<1, 2>())
        .def("registers", [](Scratch &scratch) { return bytes_of_registers(scratch.tracee()); })
        .def("set_registers",
             [](Scratch &scratch, const nb::bytes &bytes) { scratch.tracee().set_registers(registers_from(bytes)); })
        .def("fp_registers", [](Scratch &scratch) { return bytes_of(scratch.tracee().all_vectors()); })
        .def("set_fp_registers",
             [](Scratch &scratch, const nb::bytes &bytes) { scratch.tracee().set_all_vectors(bytes_from(bytes)); })
        .def("set_tls", [](Scratch &scratch, std::uint64_t value) { scratch.tracee().set_tls(value); })
        .def("read_memory", [](Scratch &scratch, std::uint64_t address,
                               std::size_t length) { return read_bytes(scratch.tracee().tid(), address, length); })
        .def("write_memory",
             [](Scratch &scratch, std::uint64_t address, const nb::bytes &bytes) {
                 return write_memory(scratch.tracee().tid(), address, bytes.c_str(), bytes.size());
             })
        .def("add_breakpoint", &Scratch::add_breakpoint)
        .def("remove_breakpoint", &Scratch::remove_breakpoint)
        .def("run", &Scratch::run, "step"_a, nb::call_guard<nb::gil_scoped_release>());
}
