#include "capture/programs.h"

#include "base/failure.h"
#include "capture/kernel_types.h"
#include "capture/replay_state.h"
#include "capture/requirements.h"
#include "capture/scheduling_belief.h"
#include "capture/syscall_table.h"
#include "capture/written_files.h"

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
#include <fstream>
#include <linux/magic.h>
#include <set>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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

// The kernel's type for the arguments of a program's tracepoint (include/trace/bpf_probe.h).
std::string tracepoint_type(const std::string &section) {
    return "btf_trace_" + section.substr(section.find('/') + 1);
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
    std::vector<std::size_t> sizes;
    for (int cpu = 0; cpu < cpus_; cpu++)
        sizes.push_back(ring_size(options, cpu));
    sizes.push_back(options.grade == Grade::replay ? spill_ring_size
                                                   : static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
    rings_.emplace(std::move(sizes));
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

static rg_changes what_changes(int nr) {
    if (SchedulingBelief::concerns(nr))
        return RG_CHANGES_SCHEDULING;
    return nr == SYS_prctl ? RG_CHANGES_PROCESS : changes_of(nr);
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
    config.checksum_interval = options.checksum_interval_ns;
    config.execve_nr = syscall_number("execve");
    config.replayable = is_replayable(options);
    config.mmap_nr = syscall_number("mmap");
    config.shmat_nr = syscall_number("shmat");
    config.restart_nr = syscall_number("restart_syscall");
    config.sigreturn_nr = syscall_number("rt_sigreturn");
    config.all_switches = options.switches;
    config.adopt_all = options.whole_system;
    config.adopt_tgids = !options.pids.empty();
    config.adopt_comms = !options.comms.empty();
    config.adopt_cgroups = !options.cgroups.empty();
    config.filter_syscalls = options.syscalls.has_value();
    config.switch_tells_state = options.switches && switch_tells_state(options);
    bpf_program__set_autoload(skeleton->progs.on_switch, options.switches || is_replayable(options));
    for (std::size_t nr = 0; nr < RG_MAX_SYSCALLS; nr++) {
        skeleton->rodata->plans[nr] = plans()[nr];
        skeleton->rodata->changes[nr] = static_cast<__u8>(what_changes(static_cast<int>(nr)));
        skeleton->rodata->wanted_syscalls[nr] = options.syscalls && options.syscalls->test(nr);
    }
    // Allocated in full when they are made.
    if (options.pids.empty())
        bpf_map__set_max_entries(skeleton->maps.wanted_tgids, 1);
    if (options.comms.empty())
        bpf_map__set_max_entries(skeleton->maps.wanted_comms, 1);
    if (options.cgroups.empty())
        bpf_map__set_max_entries(skeleton->maps.wanted_cgroups, 1);
    bpf_map__set_max_entries(skeleton->maps.scratches, static_cast<__u32>(cpus_));
}

template <typename Skeleton> void Programs::take_counters(Skeleton *skeleton) {
    live_threads_ = reinterpret_cast<std::int64_t *>(&skeleton->bss->live_threads);
    held_events_ = reinterpret_cast<const std::uint64_t *>(&skeleton->bss->held_events);
    capturing_ = reinterpret_cast<std::uint32_t *>(&skeleton->bss->capturing);
    lost_events_ = reinterpret_cast<const std::uint64_t *>(&skeleton->bss->lost_events);
    running_ = reinterpret_cast<const rg_running *>(&skeleton->bss->running);
    next_checksum_ = reinterpret_cast<std::uint64_t *>(&skeleton->bss->next_checksum);
    overlay_is_mapped_ = reinterpret_cast<std::uint32_t *>(&skeleton->bss->overlay_is_mapped);
}

// ---- loading ----

namespace {

// What prepare_load() needs: libbpf calls it with no more than a number.
const KernelTypes *types_to_load_with = nullptr;

// Does for a program of SEC("tp_btf/…") what libbpf would do after reading all of the kernel's types. libbpf believes
// until here that it is a raw tracepoint, which needs none.
int prepare_load(bpf_program *program, bpf_prog_load_opts *load, long) {
    const auto id = types_to_load_with->typedef_id(tracepoint_type(bpf_program__section_name(program)));
    if (!id)
        return -ESRCH;
    load->attach_btf_id = *id;
    load->expected_attach_type = BPF_TRACE_RAW_TP;
    return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

int attach_tracepoint(const bpf_program *program, long, bpf_link **link) {
    *link = bpf_program__attach_trace(program);
    return *link ? 0 : -errno;
}

// Says how programs of SEC("tp_btf/…") are loaded and attached. libbpf refers to it as long as the programs live.
class Handler {
  public:
    Handler() {
        libbpf_prog_handler_opts options{};
        options.sz = sizeof options;
        options.prog_prepare_load_fn = prepare_load;
        options.prog_attach_fn = attach_tracepoint;
        id_ = libbpf_register_prog_handler("tp_btf/", BPF_PROG_TYPE_RAW_TRACEPOINT, BPF_TRACE_RAW_TP, &options);
    }
    ~Handler() {
        if (id_ >= 0)
            libbpf_unregister_prog_handler(id_);
    }
    Handler(const Handler &) = delete;
    explicit operator bool() const { return id_ >= 0; }

  private:
    int id_;
};

// The structs that the programs know, as the kernel may know them: without a flavour ("task_struct___old").
std::set<std::string> struct_names(const bpf_object *object) {
    std::set<std::string> names;
    const btf *types = bpf_object__btf(object);
    for (__u32 id = 1; types && id < btf__type_cnt(types); id++) {
        const btf_type *type = btf__type_by_id(types, id);
        if (btf_is_composite(type) && type->name_off) {
            std::string name = btf__name_by_offset(types, type->name_off);
            names.insert(name.substr(0, name.find("___")));
        }
    }
    return names;
}

} // namespace

template <typename Skeleton> void Programs::use(Skeleton *skeleton, const Options &options) {
    configure(skeleton, options);
    if (bpf_map__reuse_fd(skeleton->maps.rings, rings_->array()) != 0)
        throw system_failure("cannot give the eBPF programs their rings");
}

// The programs of today's kernels, with libbpf reading all of the kernel's types or those of a file.
bool Programs::load_modern(const Options &options, const char *btf_file, std::string &log) {
    bpf_object_open_opts open{};
    open.sz = sizeof open;
    open.btf_custom_path = btf_file;
    libbpf_log.clear();
    auto *skeleton = capture_bpf__open_opts(&open);
    if (!skeleton)
        throw system_failure("cannot open the eBPF programs");
    skeleton_ = std::shared_ptr<void>(skeleton, [](void *s) { capture_bpf__destroy(static_cast<capture_bpf *>(s)); });
    use(skeleton, options);

    std::optional<KernelTypes> types;
    if (types_file_) {
        std::set<std::string> tracepoints;
        bpf_program *program;
        bpf_object__for_each_program(program, skeleton->obj)
            tracepoints.insert(tracepoint_type(bpf_program__section_name(program)));
        types = KernelTypes::read(struct_names(skeleton->obj), tracepoints, types_file_.get());
        if (!types)
            return false;
        types_to_load_with = &*types;
    }
    if (capture_bpf__load(skeleton) != 0) {
        log = libbpf_log;
        return false;
    }
    object_ = skeleton->obj;
    take_counters(skeleton);
    return true;
}

bool Programs::load_fast(const Options &options, std::string &log) {
    auto handler = std::make_shared<Handler>();
    types_file_.reset(::memfd_create("kernel-types", MFD_CLOEXEC));
    const std::string path = "/proc/self/fd/" + std::to_string(types_file_.get());
    const bool loaded = *handler && types_file_ && load_modern(options, path.c_str(), log);
    types_file_.reset();
    types_to_load_with = nullptr;
    if (loaded)
        handler_ = std::move(handler);
    else
        skeleton_.reset();
    return loaded;
}

// Those for kernels without task storage or without BTF.
void Programs::load_legacy(const Options &options, const std::string &log) {
    bpf_object_open_opts open{};
    open.sz = sizeof open;
    open.btf_custom_path = options.btf_file.empty() ? nullptr : options.btf_file.c_str();
    libbpf_log.clear();
    auto *skeleton = legacy_bpf__open_opts(&open);
    if (!skeleton)
        throw system_failure("cannot open the eBPF programs");
    skeleton_ = std::shared_ptr<void>(skeleton, [](void *s) { legacy_bpf__destroy(static_cast<legacy_bpf *>(s)); });
    use(skeleton, options);
    legacy_ = true;
    if (int error = legacy_bpf__load(skeleton); error != 0)
        throw Failure("the kernel does not load the eBPF programs: " + std::string(std::strerror(-error)) + "\n" + log +
                          libbpf_log,
                      exit_cannot);
    object_ = skeleton->obj;
    take_counters(skeleton);
}

void Programs::load(const Options &options) {
    std::string log;
    bool loaded = false;
    if (!std::getenv("RETROGRADE_LEGACY")) {
        const char *btf_file = options.btf_file.empty() ? nullptr : options.btf_file.c_str();
        loaded = (!btf_file && load_fast(options, log)) || load_modern(options, btf_file, log);
    }
    if (!loaded)
        load_legacy(options, log);
    threads_ = map_fd(object_, "threads");
    holds_ = map_fd(object_, "holds");
    losses_ = map_fd(object_, "losses");
    losses_before_.assign(RG_MAX_SYSCALLS + 1, 0);
    fill_variants();
}

void Programs::fill_variants() {
    const int map = map_fd(object_, "variants");
    std::vector<rg_variant_key> keys;
    std::vector<rg_plan> plans;
    for (const VariantPlan &variant : variant_plans()) {
        keys.push_back(variant.key);
        plans.push_back(variant.plan);
    }
    auto count = static_cast<__u32>(keys.size());
    if (bpf_map_update_batch(map, keys.data(), plans.data(), &count, nullptr) == 0) // Linux 5.6
        return;
    for (std::size_t i = 0; i < keys.size(); i++)
        if (bpf_map_update_elem(map, &keys[i], &plans[i], BPF_ANY) != 0)
            throw system_failure("cannot load the table of commands");
}

namespace {

bool is_cgroup2_folder(const std::string &folder) {
    struct statfs system {};
    struct stat status {};
    return ::statfs(folder.c_str(), &system) == 0 && system.f_type == CGROUP2_SUPER_MAGIC &&
           ::stat(folder.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Where a cgroup of version 2 is: its path may be that of its folder, or be as /proc/<pid>/cgroup has it.
std::string cgroup_folder(const std::string &cgroup) {
    if (is_cgroup2_folder(cgroup))
        return cgroup;
    std::ifstream mounts("/proc/self/mounts");
    std::string device, mount, type, rest;
    while (mounts >> device >> mount >> type && std::getline(mounts, rest))
        if (type == "cgroup2" && is_cgroup2_folder(mount + "/" + cgroup))
            return mount + "/" + cgroup;
    throw Failure("there is no cgroup " + cgroup +
                      ": needed is its folder in a cgroup2 file system, or its path in "
                      "/proc/<pid>/cgroup behind 0::",
                  exit_usage);
}

// Visits a cgroup and those inside. Groups may end while we look: one that is gone is left out, and no other.
template <typename Visitor> void each_cgroup(const std::string &folder, const Visitor &visit) {
    visit(folder);
    std::error_code gone, ignored;
    std::filesystem::directory_iterator entry(folder, gone);
    for (; !gone && entry != std::filesystem::directory_iterator(); entry.increment(gone))
        if (!entry->is_symlink(ignored) && entry->is_directory(ignored))
            each_cgroup(entry->path(), visit);
}

} // namespace

void Programs::select_threads(const Options &options) {
    const __u8 yes = 1;
    auto want = [&](const char *map, const void *key) {
        if (bpf_map_update_elem(map_fd(object_, map), key, &yes, BPF_ANY) != 0)
            throw system_failure("cannot fill the filter");
    };
    // The id of a cgroup is its folder's inode number. The groups inside belong to it.
    auto want_cgroup = [&](const std::string &folder) {
        struct stat status {};
        if (::lstat(folder.c_str(), &status) != 0)
            return; // ended in the meantime
        const __u64 id = status.st_ino;
        want("wanted_cgroups", &id);
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
        each_cgroup(cgroup_folder(cgroup), want_cgroup);
    }
}

void Programs::attach() {
    rings_->wait_until_filled();
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
    __atomic_store_n(capturing_, 1, __ATOMIC_RELEASE);
}

void Programs::detach() {
    if (capturing_ && !links_.empty())
        __atomic_store_n(capturing_, 0, __ATOMIC_RELEASE);
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

Programs::Running Programs::running() const {
    return {static_cast<pid_t>(__atomic_load_n(&running_->tid, __ATOMIC_RELAXED)),
            __atomic_load_n(&running_->in_call, __ATOMIC_RELAXED) != 0,
            __atomic_load_n(&running_->since, __ATOMIC_RELAXED)};
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
