#include "capture/session.h"

#include "base/clock.h"
#include "base/failure.h"
#include "base/json.h"
#include "capture/backend.h"
#include "capture/cpu_facts.h"
#include "capture/replay_state.h"
#include "capture/snapshot.h"
#include "capture/syscall_table.h"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace retrograde {

const char *name(EndReason reason) {
    switch (reason) {
    case EndReason::target_exited:
        return "target-exited";
    case EndReason::interrupted:
        return "interrupted";
    case EndReason::duration:
        return "duration";
    case EndReason::max_size:
        return "max-size";
    }
    return "error";
}

namespace {

constexpr std::uint64_t second = 1'000'000'000, poll_ns = second / 10;
constexpr std::uint64_t flush_age_ns = second / 4; // how far a live reader is behind, at most
constexpr std::uint64_t rotation_check_ns = second / 10;

// Leaves what there is to wait for to the tracer: a stop that is taken from it is never ended. Stops under ptrace are
// shown though nobody asked for them (kernel/exit.c: wait_consider_task).
bool runs_in_our_group(pid_t child) {
    siginfo_t change{};
    if (::waitid(P_PID, static_cast<id_t>(child), &change, WEXITED | WNOHANG | WNOWAIT) != 0)
        return false;
    const bool runs = change.si_pid == 0 || change.si_code == CLD_TRAPPED || change.si_code == CLD_STOPPED;
    return runs && ::getpgid(child) == ::getpgrp();
}

volatile std::sig_atomic_t interrupted = 0;
volatile pid_t recorded_command = 0;
volatile std::uint64_t terminal_interrupt_ns = 0; // only the handler uses it

// The terminal interrupts the whole foreground process group: the command, us, and the wrapper that started us, which
// passes on what it gets: its copy of the same Ctrl-C comes at once. What a recorded command does about it belongs in
// the recording, which ends when the command does.
void interrupt(int signal, siginfo_t *info, void *) {
    if (signal == SIGINT && info->si_code == SI_KERNEL) {
        terminal_interrupt_ns = now_ns();
        const int saved = errno;
        if (!runs_in_our_group(recorded_command))
            interrupted = 1;
        errno = saved;
    } else if (signal != SIGINT || info->si_pid != ::getppid() || terminal_interrupt_ns == 0 ||
               now_ns() - terminal_interrupt_ns > poll_ns) {
        interrupted = 1;
    }
}

// Ctrl-C and its like end a capture cleanly. A broken pipe is an error of write().
void handle_signals() {
    struct sigaction action {};
    action.sa_sigaction = interrupt;
    action.sa_flags = SA_SIGINFO;
    for (int signal : {SIGINT, SIGTERM, SIGHUP})
        ::sigaction(signal, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

class Session {
  public:
    explicit Session(const Options &options);
    int run();

  private:
    void make_backend();
    void begin_file(); // INFO and SNAPSHOT
    std::string info() const;
    void write_replay_facts(JsonWriter &json) const;
    std::vector<pid_t> processes() const;
    std::optional<EndReason> limit_reached(std::uint64_t now) const;
    bool ended_by_itself();
    void rotate_if_due(std::uint64_t now);
    std::string end(const std::string &reason, const std::string &error);
    void print_summary(const std::string &reason) const;

    const Options &options_;
    std::unique_ptr<Target> target_;
    StreamOutput output_;
    EventWriter writer_;
    std::unique_ptr<Backend> backend_;
    bool is_ebpf_ = true, released_ = false;
    std::uint64_t begun_ns_ = 0, rotation_checked_ns_ = 0, rotation_checked_bytes_ = 0;
};

// The command waits before its execve; where there is no such command nothing else is begun.
std::unique_ptr<Target> start(const Options &options) {
    return options.command.empty()
               ? nullptr
               : std::make_unique<Target>(options.command, options.user, options.output == "-", is_replayable(options));
}

Session::Session(const Options &options)
    : options_(options), target_(start(options)), output_(options), writer_(output_, options) {}

void Session::make_backend() {
    if (options_.backend != BackendChoice::ptrace) {
        try {
            backend_ = make_ebpf_backend(options_, writer_, output_.folder());
            return;
        } catch (const Failure &failure) {
            const bool ptrace_can = (!options_.command.empty() || !options_.pids.empty()) && !options_.switches;
            if (failure.exit_code() != exit_cannot || options_.backend == BackendChoice::ebpf || !ptrace_can)
                throw;
            std::fprintf(stderr, "retrograde-capture: capturing with ptrace, which is slower. %s\n", failure.what());
        }
    }
    is_ebpf_ = false;
    backend_ = make_ptrace_backend(options_, writer_, output_.folder());
}

std::string Session::info() const {
    utsname system{};
    ::uname(&system);
    char folder[PATH_MAX] = "";
    if (!::getcwd(folder, sizeof folder))
        folder[0] = 0;
    JsonWriter json;
    json.begin_object().member("format", 2).member("grade", options_.grade == Grade::replay ? "replay" : "observe");
    json.member("backend", is_ebpf_ ? "ebpf" : "ptrace").member("arch", system.machine);
    json.member("kernel", system.release).member("hostname", system.nodename).key("command");
    if (options_.command.empty()) {
        json.null();
    } else {
        json.begin_array();
        for (const std::string &word : options_.command)
            json.value(word);
        json.end_array();
    }
    json.member("cwd", folder).member("boottime_ns", now_ns()).member("realtime_ns", read_clock_ns(CLOCK_REALTIME));
    json.member("cpus", static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
    json.member("snaplen", std::uint64_t{options_.snaplen}).member("buffer_size", std::uint64_t{options_.buffer_size});
    json.key("filter").begin_object();
    json.key("pids").begin_array();
    for (pid_t pid : options_.pids)
        json.value(pid);
    json.end_array().key("comms").begin_array();
    for (const std::string &comm : options_.comms)
        json.value(comm);
    json.end_array().key("cgroups").begin_array();
    for (const std::string &cgroup : options_.cgroups)
        json.value(cgroup);
    json.end_array().member("all", options_.whole_system).key("syscalls");
    if (options_.syscalls) {
        json.begin_array();
        for (int nr = 0; nr < RG_MAX_SYSCALLS; nr++)
            if (options_.syscalls->test(static_cast<std::size_t>(nr))) {
                const char *known = syscall_name(nr);
                json.value(known ? std::string(known) : std::to_string(nr));
            }
        json.end_array();
    } else {
        json.null();
    }
    json.end_object().key("pid");
    target_ ? json.value(target_->pid()) : json.null();
    json.member("version", RETROGRADE_VERSION).member("page_size", std::int64_t{::sysconf(_SC_PAGESIZE)});
    write_cpu_facts(json, target_ && target_->serialisation() ? static_cast<int>(target_->serialisation()->cpu()) : -1);
    json.key("replay");
    write_replay_facts(json);
    json.end_object();
    return json.text();
}

void Session::write_replay_facts(JsonWriter &json) const {
    if (!target_ || !target_->serialisation()) {
        json.null();
        return;
    }
    const char *scheduling = !is_ebpf_ ? "serial" : target_->has_real_time() ? "rr" : "none";
    json.begin_object().member("cpu", target_->serialisation()->cpu()).member("scheduling", scheduling);
    json.member("checksum_interval_ns", options_.checksum_interval_ns);
    json.key("vetoed").begin_array();
    for (const std::string &name : Serialisation::vetoed())
        json.value(name);
    json.end_array().end_object();
}

std::vector<pid_t> Session::processes() const {
    if (target_ && !released_) // it has no descendants yet
        return {target_->pid()};
    if (target_)
        return with_descendants({target_->pid()});
    return options_.pids.empty() ? all_pids() : with_descendants(options_.pids);
}

void Session::begin_file() {
    writer_.info(info());
    writer_.snapshot(take_snapshot(processes()));
}

std::optional<EndReason> Session::limit_reached(std::uint64_t now) const {
    if (interrupted)
        return EndReason::interrupted;
    if (options_.duration_ns && now - begun_ns_ >= options_.duration_ns)
        return EndReason::duration;
    if (options_.max_size && writer_.stored_bytes() >= options_.max_size)
        return EndReason::max_size;
    return std::nullopt;
}

// An interrupt can come in the moment in which the target ends, of the same Ctrl-C perhaps. The back end then needs a
// look to read what is left, and another to find that nothing is.
bool Session::ended_by_itself() {
    for (int look = 0; look < 3; look++)
        if (!backend_->poll(0))
            return true;
    return false;
}

void Session::rotate_if_due(std::uint64_t now) {
    if (options_.last_bytes == 0 && options_.last_ns == 0)
        return;
    // What comes fast does not wait for the next look at the clock.
    const bool grown =
        options_.last_bytes && writer_.stored_bytes() - rotation_checked_bytes_ >= options_.last_bytes / rotated_parts;
    if (!grown && now - rotation_checked_ns_ < rotation_check_ns)
        return;
    rotation_checked_ns_ = now;
    rotation_checked_bytes_ = writer_.stored_bytes();
    writer_.sync();
    if (!output_.rotation_due(now))
        return;
    output_.rotate(now);
    begin_file();
}

std::string Session::end(const std::string &reason, const std::string &error) {
    JsonWriter json;
    json.begin_object().member("reason", reason).key("error");
    error.empty() ? json.null() : json.value(error);
    json.member("events", writer_.events()).member("lost", writer_.lost());
    json.member("duration_ns", now_ns() - begun_ns_).key("pid");
    target_ ? json.value(target_->pid()) : json.null();
    json.key("exit_status");
    std::optional<int> status = target_ ? target_->poll_ended() : std::nullopt;
    status ? json.value(*status) : json.null();
    json.member("raw_bytes", writer_.raw_bytes()).member("stored_bytes", writer_.stored_bytes());
    json.key("succeeded").begin_array();
    for (int nr = 0; nr < RG_MAX_SYSCALLS; nr++)
        if (writer_.succeeded().test(static_cast<std::size_t>(nr)))
            json.value(nr);
    json.end_array().key("unfaithful").begin_array();
    for (const Unfaithful &thing : backend_->unfaithful())
        json.begin_object().member("what", thing.what).member("seq", thing.seq).end_object();
    json.end_array().key("written").begin_array();
    for (const std::string &file : backend_->written_files())
        json.value(file);
    json.end_array().end_object();
    return json.text();
}

void Session::print_summary(const std::string &reason) const {
    if (options_.quiet)
        return;
    const double seconds = static_cast<double>(now_ns() - begun_ns_) / static_cast<double>(second);
    std::fprintf(stderr, "retrograde-capture: %llu events, %llu lost, %.1f MiB, %.2f s (%s)\n",
                 static_cast<unsigned long long>(writer_.events()), static_cast<unsigned long long>(writer_.lost()),
                 static_cast<double>(writer_.stored_bytes()) / (1 << 20), seconds, reason.c_str());
    for (const Unfaithful &thing : backend_->unfaithful())
        std::fprintf(stderr, "retrograde-capture: a replay may not repeat: %s\n", thing.what.c_str());
}

int Session::run() {
    try {
        make_backend();
        backend_->attach(target_.get());
    } catch (const Failure &) {
        output_.discard();
        throw;
    }
    if (target_ && options_.grade == Grade::replay)
        recorded_command = target_->pid();
    handle_signals();
    begun_ns_ = now_ns();
    begin_file();
    if (target_)
        target_->release();
    released_ = true;

    std::string reason, error;
    while (reason.empty()) {
        if (!backend_->poll(poll_ns))
            reason = name(EndReason::target_exited);
        const std::uint64_t now = now_ns();
        writer_.flush_if_older(now, flush_age_ns);
        rotate_if_due(now);
        if (auto limit = limit_reached(now); limit && reason.empty())
            reason = name(limit == EndReason::interrupted && ended_by_itself() ? EndReason::target_exited : *limit);
    }
    backend_->detach();
    if (target_ && target_->poll_ended())
        error = target_->exec_failure();
    const bool was_run = error.empty();
    if (!was_run) {
        reason = "error";
    } else if (options_.grade == Grade::replay && writer_.lost() > 0) {
        reason = "error";
        error = std::to_string(writer_.lost()) + " events were lost: this recording cannot be replayed";
    }
    writer_.sync();
    const std::string text = end(reason, error);
    writer_.end(text);
    writer_.sync();
    output_.complete(text);
    print_summary(reason);
    if (!error.empty())
        throw Failure(error, was_run ? exit_failed : exit_usage);
    return 0;
}

} // namespace

int run_session(const Options &options) {
    return Session(options).run();
}

} // namespace retrograde
