#include "capture/calls_in_progress.h"

#include "base/unique_fd.h"
#include "progress.skel.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cstdio>
#include <memory>

namespace retrograde {

namespace {

// The process of a thread, 0 where it is gone: "Tgid:" of its status.
__u32 process_of(__u32 tid) {
    char path[64], line[256];
    std::snprintf(path, sizeof path, "/proc/%u/status", tid);
    std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path, "re"), std::fclose);
    unsigned tgid = 0;
    while (file && std::fgets(line, sizeof line, file.get()))
        if (std::sscanf(line, "Tgid: %u", &tgid) == 1)
            break;
    return tgid;
}

std::vector<rg_event> from_hash(int threads_map) {
    std::vector<rg_event> calls;
    __u32 tid, key, *before = nullptr;
    for (; bpf_map_get_next_key(threads_map, before, &tid) == 0; before = &key) {
        key = tid;
        rg_thread thread;
        if (bpf_map_lookup_elem(threads_map, &tid, &thread) != 0)
            continue;
        const __u32 pid = process_of(tid);
        if (!thread.in_call || thread.awaits_execve || thread.ended || pid == 0)
            continue;
        rg_event event{};
        event.size = sizeof event;
        event.kind = RG_ENTER;
        event.flags = thread.compat ? RG_COMPAT : 0;
        event.pid = pid;
        event.tid = tid;
        event.nr = thread.nr;
        event.enter = event.exit = thread.enter;
        for (int i = 0; i < 6; i++)
            event.args[i] = thread.args[i];
        calls.push_back(event);
    }
    return calls;
}

std::vector<rg_event> from_iterator(int threads_map) {
    std::vector<rg_event> calls;
    std::unique_ptr<progress_bpf, void (*)(progress_bpf *)> programs(progress_bpf__open(), progress_bpf__destroy);
    if (!programs || bpf_map__reuse_fd(programs->maps.threads, threads_map) != 0 ||
        progress_bpf__load(programs.get()) != 0)
        return calls;
    std::unique_ptr<bpf_link, int (*)(bpf_link *)> link(bpf_program__attach_iter(programs->progs.each_task, nullptr),
                                                        bpf_link__destroy);
    UniqueFd iterator(link ? bpf_iter_create(bpf_link__fd(link.get())) : -1);
    // The kernel hands out whole records only where they fit; a record may come in two reads all the same.
    alignas(rg_event) unsigned char buffer[64 * sizeof(rg_event)];
    std::size_t filled = 0;
    for (ssize_t got; iterator && (got = ::read(iterator.get(), buffer + filled, sizeof buffer - filled)) > 0;) {
        filled += static_cast<std::size_t>(got);
        const auto *events = reinterpret_cast<const rg_event *>(buffer);
        const std::size_t whole = filled / sizeof(rg_event);
        calls.insert(calls.end(), events, events + whole);
        filled -= whole * sizeof(rg_event);
        std::copy_n(buffer + whole * sizeof(rg_event), filled, buffer);
    }
    return calls;
}

} // namespace

std::vector<rg_event> calls_in_progress(int threads_map, bool legacy) {
    return legacy ? from_hash(threads_map) : from_iterator(threads_map);
}

} // namespace retrograde
