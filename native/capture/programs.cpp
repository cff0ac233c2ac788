#include "capture/programs.h"

#include "base/failure.h"
#include "capture/requirements.h"
#include "capture/syscall_table.h"

#include "capture.skel.h"
#include "legacy.skel.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace retrograde {

namespace {

// All rings together; the default of a ring gets smaller where there are many CPUs.
constexpr std::size_t default_rings_total = 64 << 20;
constexpr std::size_t smallest_ring = 64 << 10;
constexpr std::size_t spill_ring_size = 4 << 20;

std::string libbpf_log;

int keep_log(libbpf_print_level level, const char *format, va_list arguments) {
    char line[1024];
    std::vsnprintf(line, sizeof line, format, arguments);
    if (std::getenv("RETROGRADE_LIBBPF_LOG"))
        std::fputs(line, stderr);
    if (level == LIBBPF_WARN && libbpf_log.size() < 8192)
        libbpf_log += line;
    return 0;
}

int map_fd(bpf_object *object, const char *name) {
    return bpf_object__find_map_fd_by_name(object, name);
}

// Whether the kernel's tracepoint sched_switch has the previous thread's state as its fourth argument.
bool switch_tells_state(const Options &options) {
    btf *types = options.btf_file.empty() ? btf__load_vmlinux_btf() : btf__parse(options.btf_file.c_str(), nullptr);
    if (!types)
        return false;
    // void (*)(void *data, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int state)
    const int name = btf__find_by_name_kind(types, "btf_trace_sched_switch", BTF_KIND_TYPEDEF);
    const btf_type *type = name > 0 ? btf__type_by_id(types, static_cast<__u32>(name)) : nullptr;
    for (int depth = 0; type && depth < 4 && (btf_is_typedef(type) || btf_is_ptr(type)); depth++)
        type = btf__type_by_id(types, type->type);
    const bool tells = type && btf_is_func_proto(type) && btf_vlen(type) >= 5;
    btf__free(types);
    return tells;
}

} // namespace

Programs::Programs(const Options &options) {
    libbpf_set_print(keep_log);
    cpus_ = libbpf_num_possible_cpus();
    if (cpus_ <= 0)
        throw Failure("cannot find out how many CPUs there are: is /sys mounted?", exit_cannot);
    online_ = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
    require_ebpf(options);
    load(options);
    select_threads(options);
}

Programs::~Programs() {
    detach();
}

std::size_t Programs::ring_size(const Options &options, int cpu) const {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    std::size_t size = options.buffer_size;
    if (size == 0) {
        size = default_buffer_size;
        while (size > smallest_ring && size * static_cast<std::size_t>(online_) > default_rings_total)
            size /= 2;
    }
    // A CPU that is not there today may be plugged in tomorrow.
    if (cpu >= online_ && cpus_ > online_)
        size = std::min(size, smallest_ring);
    return std::max(size, page);
}

template <typename Skeleton> void Programs::configure(Skeleton *skeleton, const Options &options) {
    const bool replay = options.grade == Grade::replay;
    const std::size_t ring = ring_size(options, 0);
    rg_config &config = skeleton->rodata->config;
    config.in_snaplen = static_cast<__u32>(options.snaplen);
    config.out_snaplen = replay ? ~0u : static_cast<__u32>(options.snaplen);
    config.inline_limit = static_cast<__u32>(std::min<std::size_t>(RG_SCRATCH_DATA, ring / 4));
    config.own_pid = static_cast<__u32>(::getpid());
    // Who reads the recording while it grows would be captured reading it, without end.
    config.reader_pid = static_cast<__u32>(::getppid());
    config.spill_ring = static_cast<__u32>(cpus_);
    config.wake_mark = ring / 4;
    config.hold_mark = replay ? ring / 4 * 3 : 0;
    config.execve_nr = syscall_number("execve");
    config.adopt_all = options.whole_system;
    config.adopt_tgids = !options.pids.empty();
    config.adopt_comms = !options.comms.empty();
    config.adopt_cgroups = !options.cgroups.empty();
    config.filter_syscalls = options.syscalls.has_value();
    config.switch_tells_state = options.switches && switch_tells_state(options);
    bpf_program__set_autoload(skeleton->progs.on_switch, options.switches);
    for (std::size_t nr = 0; nr < RG_MAX_SYSCALLS; nr++) {
        skeleton->rodata->plans[nr] = plans()[nr];
        skeleton->rodata->wanted_syscalls[nr] = options.syscalls && options.syscalls->test(nr);
    }
    bpf_map__set_max_entries(skeleton->maps.rings, static_cast<__u32>(cpus_ + 1));
    bpf_map__set_max_entries(skeleton->maps.scratches, static_cast<__u32>(cpus_));
}

template <typename Skeleton> void Programs::take_counters(Skeleton *skeleton) {
    live_threads_ = reinterpret_cast<std::int64_t *>(&skeleton->bss->live_threads);
    held_events_ = reinterpret_cast<const std::uint64_t *>(&skeleton->bss->held_events);
    lost_events_ = reinterpret_cast<const std::uint64_t *>(&skeleton->bss->lost_events);
}

void Programs::load(const Options &options) {
    bpf_object_open_opts open{};
    open.sz = sizeof open;
    open.btf_custom_path = options.btf_file.empty() ? nullptr : options.btf_file.c_str();
    std::string log;
    int error = 0;
    // The programs of today's kernels; where they do not load, those for kernels without task storage or without BTF.
    if (!std::getenv("RETROGRADE_LEGACY")) {
        libbpf_log.clear();
        auto *skeleton = capture_bpf__open_opts(&open);
        if (!skeleton)
            throw system_failure("cannot open the eBPF programs");
        skeleton_ =
            std::shared_ptr<void>(skeleton, [](void *s) { capture_bpf__destroy(static_cast<capture_bpf *>(s)); });
        configure(skeleton, options);
        error = capture_bpf__load(skeleton);
        if (error == 0) {
            object_ = skeleton->obj;
            take_counters(skeleton);
        } else {
            log = libbpf_log;
        }
    }
    if (!object_) {
        libbpf_log.clear();
        auto *skeleton = legacy_bpf__open_opts(&open);
        if (!skeleton)
            throw system_failure("cannot open the eBPF programs");
        skeleton_ = std::shared_ptr<void>(skeleton, [](void *s) { legacy_bpf__destroy(static_cast<legacy_bpf *>(s)); });
        configure(skeleton, options);
        legacy_ = true;
        if (int second = legacy_bpf__load(skeleton); second != 0)
            throw Failure("the kernel does not load the eBPF programs: " + std::string(std::strerror(-second)) + "\n" +
                              log + libbpf_log,
                          exit_cannot);
        object_ = skeleton->obj;
        take_counters(skeleton);
    }
    threads_ = map_fd(object_, "threads");
    holds_ = map_fd(object_, "holds");
    losses_ = map_fd(object_, "losses");
    losses_before_.assign(RG_MAX_SYSCALLS + 1, 0);

    std::vector<__u32> indexes;
    std::vector<int> fds;
    for (int index = 0; index <= cpus_; index++) {
        const std::size_t size = index < cpus_                    ? ring_size(options, index)
                                 : options.grade == Grade::replay ? spill_ring_size
                                                                  : static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        UniqueFd fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "rg_ring", 0, 0, static_cast<__u32>(size), nullptr));
        if (!fd)
            throw system_failure("cannot make a ring of " + std::to_string(size) +
                                     " bytes for each CPU (a smaller --buffer-size may help)",
                                 errno, exit_cannot);
        indexes.push_back(static_cast<__u32>(index));
        fds.push_back(fd.get());
        rings_.push_back({fd.get(), size});
        ring_fds_.push_back(std::move(fd));
    }
    // At once where the kernel can (5.14): each change of such a map waits for a grace period of RCU, some 10 ms.
    const int rings = map_fd(object_, "rings");
    auto count = static_cast<__u32>(fds.size());
    if (bpf_map_update_batch(rings, indexes.data(), fds.data(), &count, nullptr) != 0)
        for (std::size_t i = 0; i < fds.size(); i++)
            if (bpf_map_update_elem(rings, &indexes[i], &fds[i], BPF_ANY) != 0)
                throw system_failure("cannot give CPU " + std::to_string(i) + " its ring");

    const int variants = map_fd(object_, "variants");
    for (const VariantPlan &variant : variant_plans())
        if (bpf_map_update_elem(variants, &variant.key, &variant.plan, BPF_ANY) != 0)
            throw system_failure("cannot load the table of commands");
}

void Programs::select_threads(const Options &options) {
    const __u8 yes = 1;
    auto want = [&](const char *map, const void *key) {
        if (bpf_map_update_elem(map_fd(object_, map), key, &yes, BPF_ANY) != 0)
            throw system_failure("cannot fill the filter");
    };
    for (pid_t pid : options.pids) {
        __u32 key = static_cast<__u32>(pid);
        want("wanted_tgids", &key);
    }
    for (const std::string &comm : options.comms) {
        char key[RG_COMM_LENGTH] = {};
        comm.copy(key, RG_COMM_LENGTH - 1);
        want("wanted_comms", key);
    }
    for (const std::string &cgroup : options.cgroups) {
        // The id of a cgroup is its folder's inode number. The groups inside belong to it.
        std::string folder = cgroup.starts_with("/sys/fs/cgroup") ? cgroup : "/sys/fs/cgroup/" + cgroup;
        struct stat status {};
        if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
            throw Failure("there is no cgroup " + folder, exit_usage);
        __u64 id = status.st_ino;
        want("wanted_cgroups", &id);
        std::error_code ignored;
        for (const auto &entry : std::filesystem::recursive_directory_iterator(folder, ignored))
            if (::lstat(entry.path().c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
                id = status.st_ino;
                want("wanted_cgroups", &id);
            }
    }
}

void Programs::attach() {
    bpf_program *program;
    bpf_object__for_each_program(program, object_) {
        if (!bpf_program__autoload(program))
            continue;
        bpf_link *link = bpf_program__attach(program);
        if (!link)
            throw system_failure(std::string("cannot attach the eBPF program ") + bpf_program__name(program), errno,
                                 exit_cannot);
        links_.emplace_back(link, [](void *l) { bpf_link__destroy(static_cast<bpf_link *>(l)); });
    }
}

void Programs::detach() {
    links_.clear();
}

void Programs::follow_from_execve(pid_t pid) {
    rg_thread thread{};
    thread.awaits_execve = 1;
    int key = pid;
    UniqueFd process;
    if (!legacy_) { // the key of task storage is a pidfd
        process.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!process)
            throw system_failure("cannot open process " + std::to_string(pid));
        key = process.get();
    }
    if (bpf_map_update_elem(threads_, &key, &thread, BPF_ANY) != 0)
        throw system_failure("cannot follow process " + std::to_string(pid));
    __atomic_fetch_add(live_threads_, 1, __ATOMIC_ACQ_REL);
}

std::map<int, std::uint64_t> Programs::take_losses() {
    std::map<int, std::uint64_t> lost;
    const std::uint64_t now = __atomic_load_n(lost_events_, __ATOMIC_ACQUIRE);
    if (now == losses_seen_)
        return lost;
    losses_seen_ = now;
    std::vector<std::uint64_t> counts(static_cast<std::size_t>(cpus_));
    for (__u32 key = 0; key <= RG_MAX_SYSCALLS; key++) {
        if (bpf_map_lookup_elem(losses_, &key, counts.data()) != 0)
            continue;
        std::uint64_t sum = 0;
        for (std::uint64_t count : counts)
            sum += count;
        if (std::uint64_t more = sum - losses_before_[key])
            lost[key < RG_MAX_SYSCALLS ? static_cast<int>(key) : -1] = more;
        losses_before_[key] = sum;
    }
    return lost;
}

} // namespace retrograde
