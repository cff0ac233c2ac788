#include "capture/irregular_memory.h"

#include "capture/process_facts.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/fsmap.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace retrograde {

namespace {

// What an owner function needs: the call, its memory, and where to say what it found.
struct Call {
    const ProcessMemory &memory;
    const rg_event &event;
    const RangeVisitor &visit;

    bool succeeded() const { return event.kind == RG_SYSCALL && event.result >= 0; }
    void out(unsigned arg, std::uint64_t address, std::uint64_t length, unsigned flags = 0) const {
        if (address != 0 && length != 0)
            visit({address, length, length, static_cast<std::uint8_t>(arg),
                   static_cast<std::uint8_t>(RG_SEG_OUT | flags)});
    }
};

// One byte for each page of the range.
void mincore_memory(const Call &call) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    if (call.succeeded())
        call.out(2, call.event.args[2], (call.event.args[1] + page - 1) / page);
}

// The words that clone_args leads to. That of child_tid is in the child's memory, which is the parent's for threads.
void clone3_memory(const Call &call) {
    clone_args arguments{};
    const std::uint64_t size = std::min<std::uint64_t>(call.event.args[1], sizeof arguments);
    if (!call.succeeded() || call.memory.read(call.event.args[0], &arguments, size) != size)
        return;
    const bool is_child = call.event.result == 0;
    const bool shared = arguments.flags & CLONE_VM;
    if ((arguments.flags & CLONE_PIDFD) && (!is_child || shared))
        call.out(0, arguments.pidfd, 4, RG_SEG_NESTED);
    if (arguments.flags & CLONE_PARENT_SETTID) // written before the child's memory is copied
        call.out(0, arguments.parent_tid, 4, RG_SEG_NESTED);
    if ((arguments.flags & CLONE_CHILD_SETTID) && (is_child || shared))
        call.out(0, arguments.child_tid, 4, RG_SEG_NESTED);
}

// Writes memory of another process, which only that process's own memory could tell; here what a process writes to
// itself.
void process_vm_writev_memory(const Call &call) {
    if (!call.succeeded() || call.event.args[0] != call.event.pid)
        return;
    auto left = static_cast<std::uint64_t>(call.event.result);
    const std::uint64_t count = std::min<std::uint64_t>(call.event.args[4], 1024); // UIO_MAXIOV
    for (std::uint64_t i = 0; i < count && left > 0; i++) {
        std::uint64_t vector[2];
        if (!call.memory.get(call.event.args[3] + i * sizeof vector, vector))
            return;
        const std::uint64_t length = std::min(vector[1], left);
        call.out(3, vector[0], length, RG_SEG_NESTED);
        left -= length;
    }
}

// A socket's filter, whose instructions the length counts (net/core/filter.c, sk_get_filter).
void getsockopt_filter_memory(const Call &call) {
    constexpr std::uint64_t instruction_size = 8;
    std::uint32_t count;
    if (call.succeeded() && call.event.args[1] == SOL_SOCKET && call.memory.get(call.event.args[4], count))
        call.out(3, call.event.args[3], count * instruction_size);
}

// The one command of PR_SET_MM that writes: kernel/sys.c, prctl_set_mm.
void prctl_mm_memory(const Call &call) {
    if (call.succeeded() && call.event.args[1] == PR_SET_MM_MAP_SIZE)
        call.out(2, call.event.args[2], sizeof(std::uint32_t));
}

// A u16 for each semaphore, of which the set itself knows the number.
void semctl_getall_memory(const Call &call) {
    semid_ds set{};
    if (call.succeeded() && ::semctl(static_cast<int>(call.event.args[0]), 0, IPC_STAT, &set) >= 0)
        call.out(3, call.event.args[3], set.sem_nsems * sizeof(std::uint16_t));
}

// struct ifconf: a length, which the kernel rewrites, and where the interfaces' addresses go.
void ifconf_memory(const Call &call) {
    struct {
        std::uint32_t length, pad;
        std::uint64_t buffer;
    } config;
    if (call.succeeded() && call.memory.get(call.event.args[2], config))
        call.out(2, config.buffer, config.length, RG_SEG_NESTED);
}

// As many extents as were found behind the head, but no more than there was room for.
void fiemap_memory(const Call &call) {
    fiemap head{};
    if (call.succeeded() && call.memory.get(call.event.args[2], head))
        call.out(2, call.event.args[2] + sizeof head,
                 std::uint64_t{std::min(head.fm_mapped_extents, head.fm_extent_count)} * sizeof(fiemap_extent));
}

void fsmap_memory(const Call &call) {
    fsmap_head head{};
    if (call.succeeded() && call.memory.get(call.event.args[2], head))
        call.out(2, call.event.args[2] + sizeof head,
                 std::uint64_t{std::min(head.fmh_count, head.fmh_entries)} * sizeof(fsmap));
}

void dedupe_memory(const Call &call) {
    file_dedupe_range head{};
    if (call.succeeded() && call.memory.get(call.event.args[2], head))
        call.out(2, call.event.args[2] + sizeof head, head.dest_count * sizeof(file_dedupe_range_info));
}

// struct pm_scan_arg (include/uapi/linux/fs.h, since Linux 6.7); the result counts the regions.
void pagemap_scan_memory(const Call &call) {
    constexpr std::uint64_t vec_offset = 40, region_size = 24;
    std::uint64_t vec;
    if (call.succeeded() && call.memory.get(call.event.args[2] + vec_offset, vec))
        call.out(2, vec, static_cast<std::uint64_t>(call.event.result) * region_size, RG_SEG_NESTED);
}

// The end of struct procmap_query (include/uapi/linux/fs.h, since Linux 6.11); the sizes are what was written.
void procmap_query_memory(const Call &call) {
    constexpr std::uint64_t sizes_offset = 80;
    struct {
        std::uint32_t name_size, build_id_size;
        std::uint64_t name, build_id;
    } found;
    if (!call.succeeded() || !call.memory.get(call.event.args[2] + sizes_offset, found))
        return;
    call.out(2, found.name, found.name_size, RG_SEG_NESTED);
    call.out(2, found.build_id, found.build_id_size, RG_SEG_NESTED);
}

// The bytes of a command's structure, of which `head` has the first (net/ethtool/ioctl.c).
std::uint64_t ethtool_size(const std::uint32_t (&head)[4]) {
    switch (head[0]) {
    case ETHTOOL_GSET:
        return sizeof(ethtool_cmd);
    case ETHTOOL_GDRVINFO:
        return sizeof(ethtool_drvinfo);
    case ETHTOOL_GWOL:
        return sizeof(ethtool_wolinfo);
    case ETHTOOL_GCOALESCE:
        return sizeof(ethtool_coalesce);
    case ETHTOOL_GRINGPARAM:
        return sizeof(ethtool_ringparam);
    case ETHTOOL_GPAUSEPARAM:
        return sizeof(ethtool_pauseparam);
    case ETHTOOL_GCHANNELS:
        return sizeof(ethtool_channels);
    case ETHTOOL_GET_TS_INFO:
        return sizeof(ethtool_ts_info);
    case ETHTOOL_GMODULEINFO:
        return sizeof(ethtool_modinfo);
    case ETHTOOL_GEEE:
        return sizeof(ethtool_eee);
    case ETHTOOL_GFECPARAM:
        return sizeof(ethtool_fecparam);
    case ETHTOOL_GREGS: // cmd, version, len
        return sizeof(ethtool_regs) + std::uint64_t{head[2]};
    case ETHTOOL_GEEPROM: // cmd, magic, offset, len
    case ETHTOOL_GMODULEEEPROM:
        return sizeof(ethtool_eeprom) + std::uint64_t{head[3]};
    case ETHTOOL_GSTRINGS: // cmd, string_set, len
        return sizeof(ethtool_gstrings) + std::uint64_t{head[2]} * ETH_GSTRING_LEN;
    case ETHTOOL_GSTATS: // cmd, n_stats
    case ETHTOOL_GPHYSTATS:
        return sizeof(ethtool_stats) + head[1] * sizeof(std::uint64_t);
    case ETHTOOL_TEST: // cmd, flags, reserved, len
        return sizeof(ethtool_test) + head[3] * sizeof(std::uint64_t);
    case ETHTOOL_GPERMADDR: // cmd, size
        return sizeof(ethtool_perm_addr) + std::uint64_t{head[1]};
    case ETHTOOL_GSSET_INFO: // a word for each set, 32 of them at most
        return sizeof(ethtool_sset_info) + 32 * sizeof(std::uint32_t);
    case ETHTOOL_GFEATURES: // cmd, size
        return sizeof(ethtool_gfeatures) + std::uint64_t{head[1]} * sizeof(ethtool_get_features_block);
    case ETHTOOL_GLINKSETTINGS: { // the words of each of three maps; negative where the kernel wants another number
        const auto words = static_cast<std::int8_t>(head[3] >> 24);
        return sizeof(ethtool_link_settings) + static_cast<std::uint64_t>(std::max<int>(words, 0)) * 3 * 4;
    }
    default:
        return sizeof(ethtool_value);
    }
}

// What ifr_data of struct ifreq leads to. A command that sets is taken for one that gets: it writes nothing.
void ethtool_memory(const Call &call) {
    constexpr std::uint64_t data_offset = offsetof(ifreq, ifr_data);
    std::uint64_t data;
    std::uint32_t head[4]{};
    if (call.succeeded() && call.memory.get(call.event.args[2] + data_offset, data) &&
        call.memory.read(data, head, sizeof head) >= sizeof head[0])
        call.out(2, data, ethtool_size(head), RG_SEG_NESTED);
}

void ioctl_memory(const Call &call) {
    constexpr std::uint32_t pagemap_scan = 0xc0606610, procmap_query = 0xc0686611; // newer than some headers
    switch (static_cast<std::uint32_t>(call.event.args[1])) {
    case SIOCGIFCONF:
        return ifconf_memory(call);
    case SIOCETHTOOL:
        return ethtool_memory(call);
    case FS_IOC_FIEMAP:
        return fiemap_memory(call);
    case FS_IOC_GETFSMAP:
        return fsmap_memory(call);
    case FIDEDUPERANGE:
        return dedupe_memory(call);
    case pagemap_scan:
        return pagemap_scan_memory(call);
    case procmap_query:
        return procmap_query_memory(call);
    default:
        return;
    }
}

// An iovec whose length the kernel has rewritten, and the registers.
void ptrace_getregset_memory(const Call &call) {
    std::uint64_t vector[2];
    if (!call.succeeded() || !call.memory.get(call.event.args[3], vector))
        return;
    call.out(3, call.event.args[3], sizeof vector, RG_SEG_IN);
    call.out(3, vector[0], vector[1], RG_SEG_NESTED);
}

std::uint64_t number_after(const std::string &text, const std::string &key) {
    const std::size_t at = text.find(key);
    return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + key.size(), nullptr, 10);
}

// Bytes of a key and a value of a map, which its fdinfo tells; the value of a per-CPU map has a part for every CPU
// that could be there (kernel/bpf/syscall.c, bpf_map_value_size).
struct MapSizes {
    std::uint64_t key, value;
};
MapSizes map_sizes(pid_t pid, std::uint32_t map_fd) {
    const std::string info = "\n" + read_proc_file(pid, "fdinfo/" + std::to_string(map_fd), 1 << 16);
    MapSizes sizes{number_after(info, "\nkey_size:"), number_after(info, "\nvalue_size:")};
    switch (number_after(info, "\nmap_type:")) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
        sizes.value = (sizes.value + 7) / 8 * 8 * static_cast<std::uint64_t>(::sysconf(_SC_NPROCESSORS_CONF));
        break;
    case BPF_MAP_TYPE_ARRAY_OF_MAPS:
    case BPF_MAP_TYPE_HASH_OF_MAPS:
    case BPF_MAP_TYPE_PROG_ARRAY:
    case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
    case BPF_MAP_TYPE_CGROUP_ARRAY:
        sizes.value = 4;
        break;
    default:
        break;
    }
    return sizes;
}

// What the structure of BPF_OBJ_GET_INFO_BY_FD leads to, which depends on what the descriptor is. The kernel has put
// the true lengths in the place of those that there was room for (kernel/bpf/syscall.c, bpf_prog_get_info_by_fd): these
// are the most that it may have written.
void bpf_info_memory(const Call &call, const bpf_attr &attr) {
    const auto nested = [&](std::uint64_t address, std::uint64_t count, std::uint64_t size) {
        call.out(1, address, count * size, RG_SEG_NESTED);
    };
    nested(attr.info.info, attr.info.info_len, 1);
    const std::string fdinfo = "\n" + read_proc_file(static_cast<pid_t>(call.event.tid),
                                                     "fdinfo/" + std::to_string(attr.info.bpf_fd), 1 << 16);
    const auto has = [&](const char *key) { return fdinfo.find(key) != std::string::npos; };
    if (has("\nprog_type:")) {
        bpf_prog_info info{};
        call.memory.read(attr.info.info, &info, std::min<std::uint64_t>(sizeof info, attr.info.info_len));
        nested(info.jited_prog_insns, info.jited_prog_len, 1);
        nested(info.xlated_prog_insns, info.xlated_prog_len, 1);
        nested(info.map_ids, info.nr_map_ids, 4);
        nested(info.jited_ksyms, info.nr_jited_ksyms, 8);
        nested(info.jited_func_lens, info.nr_jited_func_lens, 4);
        nested(info.func_info, info.nr_func_info, info.func_info_rec_size);
        nested(info.line_info, info.nr_line_info, info.line_info_rec_size);
        nested(info.jited_line_info, info.nr_jited_line_info, info.jited_line_info_rec_size);
        nested(info.prog_tags, info.nr_prog_tags, BPF_TAG_SIZE);
    } else if (has("\nlink_type:")) {
        bpf_link_info info{};
        call.memory.read(attr.info.info, &info, std::min<std::uint64_t>(sizeof info, attr.info.info_len));
        if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT)
            nested(info.raw_tracepoint.tp_name, info.raw_tracepoint.tp_name_len, 1);
        else if (info.type == BPF_LINK_TYPE_ITER)
            nested(info.iter.target_name, info.iter.target_name_len, 1);
    } else if (has("\nbtf_id:") && !has("\nmap_type:")) {
        bpf_btf_info info{};
        call.memory.read(attr.info.info, &info, std::min<std::uint64_t>(sizeof info, attr.info.info_len));
        nested(info.btf, info.btf_size, 1);
        nested(info.name, std::uint64_t{info.name_len} + 1, 1);
    }
}

// A batch that comes to the map's end has failed with ENOENT, and has written what there was.
void bpf_batch_memory(const Call &call, const bpf_attr &attr) {
    if (!call.succeeded() && call.event.result != -ENOENT)
        return;
    const MapSizes sizes = map_sizes(static_cast<pid_t>(call.event.tid), attr.batch.map_fd);
    call.out(1, attr.batch.keys, attr.batch.count * sizes.key, RG_SEG_NESTED);
    call.out(1, attr.batch.values, attr.batch.count * sizes.value, RG_SEG_NESTED);
    call.out(1, attr.batch.out_batch, std::max<std::uint64_t>(sizes.key, 4), RG_SEG_NESTED);
}

void bpf_memory(const Call &call) {
    bpf_attr attr{};
    const std::uint64_t size = std::min<std::uint64_t>(call.event.args[2], sizeof attr);
    if (call.event.kind != RG_SYSCALL || call.memory.read(call.event.args[1], &attr, size) != size)
        return;
    const auto nested = [&](std::uint64_t address, std::uint64_t length) {
        call.out(1, address, length, RG_SEG_NESTED);
    };
    const auto pid = static_cast<pid_t>(call.event.tid);
    switch (call.event.args[0]) {
    case BPF_PROG_LOAD: // the log is written though the program is refused
        if (attr.log_level)
            nested(attr.log_buf, attr.log_size);
        return;
    case BPF_BTF_LOAD:
        if (attr.btf_log_level)
            nested(attr.btf_log_buf, attr.btf_log_size);
        return;
    case BPF_MAP_LOOKUP_BATCH:
    case BPF_MAP_LOOKUP_AND_DELETE_BATCH:
        return bpf_batch_memory(call, attr);
    default:
        break;
    }
    if (!call.succeeded())
        return;
    switch (call.event.args[0]) {
    case BPF_MAP_LOOKUP_ELEM:
    case BPF_MAP_LOOKUP_AND_DELETE_ELEM:
        nested(attr.value, map_sizes(pid, attr.map_fd).value);
        break;
    case BPF_MAP_GET_NEXT_KEY:
        nested(attr.next_key, map_sizes(pid, attr.map_fd).key);
        break;
    case BPF_OBJ_GET_INFO_BY_FD:
        bpf_info_memory(call, attr);
        break;
    case BPF_PROG_QUERY:
        nested(attr.query.prog_ids, attr.query.prog_cnt * std::uint64_t{4});
        break;
    case BPF_PROG_TEST_RUN:
        nested(attr.test.data_out, attr.test.data_size_out);
        nested(attr.test.ctx_out, attr.test.ctx_size_out);
        break;
    case BPF_TASK_FD_QUERY:
        nested(attr.task_fd_query.buf, std::uint64_t{attr.task_fd_query.buf_len} + 1);
        break;
    default:
        break;
    }
}

} // namespace

void visit_irregular_memory(const ProcessMemory &memory, const rg_event &event, const RangeVisitor &visit) {
    const Call call{memory, event, visit};
    switch (event.nr) {
    case SYS_mincore:
        return mincore_memory(call);
    case SYS_clone3:
        return clone3_memory(call);
    case SYS_process_vm_writev:
        return process_vm_writev_memory(call);
    case SYS_getsockopt:
        return getsockopt_filter_memory(call);
    case SYS_prctl:
        return prctl_mm_memory(call);
    case SYS_semctl:
        return semctl_getall_memory(call);
    case SYS_ioctl:
        return ioctl_memory(call);
    case SYS_ptrace:
        return ptrace_getregset_memory(call);
    case SYS_bpf:
        return bpf_memory(call);
    default: // exit writes when the thread is gone; restart_syscall is the capture's, which knows the call before
        return;
    }
}

} // namespace retrograde
