#include "capture/affinity.h"

#include <algorithm>
#include <sys/syscall.h>
#include <sys/uio.h>

namespace retrograde {

bool is_affinity(const rg_event &call) {
    return call.kind == RG_SYSCALL && call.nr == SYS_sched_getaffinity && !(call.flags & RG_COMPAT) && call.result > 0;
}

void write_affinity(const rg_event &call, const cpu_set_t &cpus) {
    const std::size_t length = std::min(static_cast<std::size_t>(call.result), sizeof cpus);
    iovec local{const_cast<cpu_set_t *>(&cpus), length};
    iovec remote{reinterpret_cast<void *>(call.args[2]), length};
    ::process_vm_writev(static_cast<pid_t>(call.tid), &local, 1, &remote, 1, 0);
}

} // namespace retrograde
