#include "capture/options.h"

#include "base/failure.h"
#include "capture/process_facts.h"
#include "capture/syscall_table.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <getopt.h>

namespace retrograde {

namespace {

constexpr const char *usage = R"(usage: retrograde-capture [options] --output FOLDER|- [--] COMMAND [ARGUMENT...]
       retrograde-capture [options] --output FOLDER|- (--pid PID | --comm NAME | --cgroup FOLDER | --all)

Records every system call with its data. Writes a recording; `retrograde read` shows it.

what to capture (repeat an option for several)
  COMMAND              start it, and follow its whole process tree
  --pid PID            a running process, its threads and its future children
  --comm NAME          whatever runs under this command name (15 characters at most)
  --cgroup FOLDER      whatever runs in a cgroup, a container for example: its folder, or path below cgroup2
  --all                the whole system
  --syscalls LIST      only these calls: names or numbers, separated by commas
  --switches           context switches, too (eBPF)
  --checksums          of each process's memory, ten times a second, for a replay to compare
  --checksum-interval TIME  the same, so often (10ms, 1s)

how
  --output FOLDER|-    where the recording goes; - is the block stream on stdout, and the command's
                       own output then goes to stderr
  --grade GRADE        observe (default): never disturbs, counts every loss; replay: loses nothing
  --backend WAY        auto (default), ebpf, ptrace
  --snaplen BYTES      of each buffer, in observe grade (default 256, at most 65536)
  --buffer-size SIZE   of the ring of each CPU (a power of two; default 8M, less with many CPUs)
  --user USER          the command runs as this user
  --btf FILE           BTF of a kernel that ships none

how long
  --duration TIME      stop after this long (10s, 5m, 1h)
  --max-size SIZE      stop when the recording has this size
  --last SIZE|TIME     keep only the latest (64M, 30s)

  --quiet              say nothing at the end
  --version, --help
)";

[[noreturn]] void bad(const std::string &option, const std::string &text, const std::string &wanted) {
    throw Failure("--" + option + " " + text + ": " + wanted, exit_usage);
}

struct Suffix {
    const char *name;
    std::uint64_t factor;
};
constexpr Suffix sizes[] = {{"", 1},
                            {"B", 1},
                            {"K", 1ull << 10},
                            {"M", 1ull << 20},
                            {"G", 1ull << 30},
                            {"KiB", 1ull << 10},
                            {"MiB", 1ull << 20},
                            {"GiB", 1ull << 30}};
constexpr Suffix times[] = {{"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}, {"h", 3'600'000'000'000}};

// A number with one of the suffixes, or nothing.
template <std::size_t n> std::optional<std::uint64_t> quantity(const std::string &text, const Suffix (&suffixes)[n]) {
    char *end = nullptr;
    errno = 0;
    double number = std::strtod(text.c_str(), &end);
    if (end == text.c_str() || errno || !(number >= 0))
        return std::nullopt;
    for (const Suffix &suffix : suffixes)
        if (std::string_view(end) == suffix.name && number * static_cast<double>(suffix.factor) < 9e18)
            return static_cast<std::uint64_t>(number * static_cast<double>(suffix.factor));
    return std::nullopt;
}

std::uint64_t size_of(const std::string &option, const std::string &text) {
    if (auto size = quantity(text, sizes))
        return *size;
    bad(option, text, "needed is a size, like 512K, 64M or 2G");
}

std::uint64_t time_of(const std::string &option, const std::string &text) {
    if (auto time = quantity(text, times))
        return *time;
    bad(option, text, "needed is a time, like 500ms, 10s, 5m or 1h");
}

int number_of(const std::string &option, const std::string &text, int lowest) {
    char *end = nullptr;
    long number = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end || number < lowest || number > 0x7fffffff)
        bad(option, text, "needed is a number");
    return static_cast<int>(number);
}

// How many letters have to be put in, left out or changed to get from one word to the other.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); j++)
        row[j] = j;
    for (std::size_t i = 1; i <= a.size(); i++) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); j++) {
            const std::size_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
        }
    }
    return row[b.size()];
}

// A question after the calls whose names are like this word, or nothing.
std::string nearest(const std::string &word) {
    std::size_t least = word.size() / 3 + 1;
    std::string names;
    for (int nr = 0; nr < RG_MAX_SYSCALLS; nr++) {
        const char *name = syscall_name(nr);
        const std::size_t far = name ? distance(word, name) : least + 1;
        if (far > least)
            continue;
        names = (far < least || names.empty() ? "" : names + ", ") + name;
        least = far;
    }
    return names.empty() ? "" : "; did you mean: " + names + "?";
}

// The process that a thread belongs to.
pid_t process_of(pid_t tid) {
    const ProcessFacts facts = read_process_facts(tid);
    if (!facts.found)
        throw Failure("there is no process " + std::to_string(tid), exit_usage);
    return facts.pid;
}

std::bitset<RG_MAX_SYSCALLS> syscalls_of(const std::string &list) {
    std::bitset<RG_MAX_SYSCALLS> chosen;
    for (std::size_t start = 0; start <= list.size();) {
        std::size_t end = std::min(list.find(',', start), list.size());
        std::string word = list.substr(start, end - start);
        int nr = syscall_number(word);
        if (nr < 0 && !word.empty() && word.find_first_not_of("0123456789") == std::string::npos)
            nr = number_of("syscalls", word, 0);
        if (nr < 0 || nr >= RG_MAX_SYSCALLS)
            throw Failure("--syscalls: this architecture has no system call '" + word + "'" + nearest(word),
                          exit_usage);
        chosen.set(static_cast<std::size_t>(nr));
        start = end + 1;
    }
    return chosen;
}

template <typename T>
T choice_of(const std::string &option, const std::string &text,
            std::initializer_list<std::pair<const char *, T>> choices) {
    std::string names;
    for (auto [name, chosen] : choices) {
        if (text == name)
            return chosen;
        names += (names.empty() ? "" : ", ") + std::string(name);
    }
    bad(option, text, "needed is one of " + names);
}

void check(const Options &options) {
    int ways = !options.command.empty() + !options.pids.empty() + !options.comms.empty() + !options.cgroups.empty() +
               options.whole_system;
    if (ways == 0)
        throw Failure("nothing to capture: name a command, --pid, --comm, --cgroup or --all", exit_usage);
    if (ways > 1)
        throw Failure("a command, --pid, --comm, --cgroup and --all exclude each other: name one of them", exit_usage);
    if (options.output.empty())
        throw Failure("--output is missing: the recording's folder, or - for stdout", exit_usage);
    if (options.snaplen > RG_SCRATCH_DATA)
        bad("snaplen", std::to_string(options.snaplen), "at most " + std::to_string(RG_SCRATCH_DATA));
    if (options.buffer_size && (options.buffer_size < 65536 || options.buffer_size > 1u << 30 ||
                                (options.buffer_size & (options.buffer_size - 1))))
        bad("buffer-size", std::to_string(options.buffer_size), "needed is a power of two, from 64K to 1G");
    if (!options.user.empty() && options.command.empty())
        throw Failure("--user needs a command to start", exit_usage);
    if (options.grade == Grade::replay && options.command.empty())
        throw Failure("--grade replay needs a command to start: a replay begins at its execve", exit_usage);
    if (options.checksum_interval_ns &&
        (options.grade != Grade::replay || options.syscalls || options.last_bytes || options.last_ns))
        throw Failure("--checksums are for replays: they need --grade replay, and neither --syscalls nor --last",
                      exit_usage);
    if ((options.last_bytes || options.last_ns) && options.output == "-")
        throw Failure("--last needs a folder: what is on a pipe cannot be taken back", exit_usage);
}

} // namespace

Options parse_options(int argc, char **argv) {
    enum {
        o_output = 256,
        o_grade,
        o_backend,
        o_pid,
        o_comm,
        o_cgroup,
        o_all,
        o_syscalls,
        o_switches,
        o_checksums,
        o_checksum_interval,
        o_snaplen,
        o_buffer_size,
        o_duration,
        o_max_size,
        o_last,
        o_btf,
        o_user,
        o_quiet,
        o_version,
        o_help
    };
    static const option long_options[] = {{"output", required_argument, nullptr, o_output},
                                          {"grade", required_argument, nullptr, o_grade},
                                          {"backend", required_argument, nullptr, o_backend},
                                          {"pid", required_argument, nullptr, o_pid},
                                          {"comm", required_argument, nullptr, o_comm},
                                          {"cgroup", required_argument, nullptr, o_cgroup},
                                          {"all", no_argument, nullptr, o_all},
                                          {"syscalls", required_argument, nullptr, o_syscalls},
                                          {"switches", no_argument, nullptr, o_switches},
                                          {"checksums", no_argument, nullptr, o_checksums},
                                          {"checksum-interval", required_argument, nullptr, o_checksum_interval},
                                          {"snaplen", required_argument, nullptr, o_snaplen},
                                          {"buffer-size", required_argument, nullptr, o_buffer_size},
                                          {"duration", required_argument, nullptr, o_duration},
                                          {"max-size", required_argument, nullptr, o_max_size},
                                          {"last", required_argument, nullptr, o_last},
                                          {"btf", required_argument, nullptr, o_btf},
                                          {"user", required_argument, nullptr, o_user},
                                          {"quiet", no_argument, nullptr, o_quiet},
                                          {"version", no_argument, nullptr, o_version},
                                          {"help", no_argument, nullptr, o_help},
                                          {nullptr, 0, nullptr, 0}};
    Options options;
    for (int chosen; (chosen = ::getopt_long(argc, argv, "+", long_options, nullptr)) != -1;) {
        std::string text = optarg ? optarg : "";
        switch (chosen) {
        case o_output:
            options.output = text;
            break;
        case o_grade:
            options.grade = choice_of<Grade>("grade", text, {{"observe", Grade::observe}, {"replay", Grade::replay}});
            break;
        case o_backend:
            options.backend = choice_of<BackendChoice>(
                "backend", text,
                {{"auto", BackendChoice::automatic}, {"ebpf", BackendChoice::ebpf}, {"ptrace", BackendChoice::ptrace}});
            break;
        case o_pid:
            options.pids.push_back(process_of(number_of("pid", text, 1)));
            break;
        case o_comm:
            options.comms.push_back(text);
            break;
        case o_cgroup:
            options.cgroups.push_back(text);
            break;
        case o_all:
            options.whole_system = true;
            break;
        case o_syscalls:
            options.syscalls = syscalls_of(text);
            break;
        case o_switches:
            options.switches = true;
            break;
        case o_checksums:
            options.checksum_interval_ns = default_checksum_interval_ns;
            break;
        case o_checksum_interval:
            options.checksum_interval_ns = std::max<std::uint64_t>(time_of("checksum-interval", text), 1);
            break;
        case o_snaplen:
            options.snaplen = size_of("snaplen", text);
            break;
        case o_buffer_size:
            options.buffer_size = std::max<std::uint64_t>(size_of("buffer-size", text), 1);
            break;
        case o_duration:
            options.duration_ns = time_of("duration", text);
            break;
        case o_max_size:
            options.max_size = size_of("max-size", text);
            break;
        case o_last:
            if (auto time = quantity(text, times))
                options.last_ns = *time;
            else
                options.last_bytes = size_of("last", text);
            break;
        case o_btf:
            options.btf_file = text;
            break;
        case o_user:
            options.user = text;
            break;
        case o_quiet:
            options.quiet = true;
            break;
        case o_version:
            std::puts("retrograde-capture " RETROGRADE_VERSION);
            std::exit(0);
        case o_help:
            std::fputs(usage, stdout);
            std::exit(0);
        default:
            throw Failure("`retrograde-capture --help` lists the options", exit_usage);
        }
    }
    options.command.assign(argv + optind, argv + argc);
    check(options);
    return options;
}

} // namespace retrograde
