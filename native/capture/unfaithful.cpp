#include "capture/unfaithful.h"

#include <algorithm>
#include <sys/syscall.h>

namespace retrograde {

namespace {

constexpr std::size_t most = 100;

} // namespace

void UnfaithfulList::add(const std::string &what, std::uint64_t seq) {
    const bool known =
        std::any_of(list_.begin(), list_.end(), [&](const Unfaithful &thing) { return thing.what == what; });
    if (!known && list_.size() < most)
        list_.push_back({what, seq});
}

void UnfaithfulList::look_at(const rg_event &event, std::uint64_t seq) {
    if (event.flags & RG_COMPAT)
        add("32-bit system calls", seq);
    else if (event.kind == RG_SYSCALL && event.nr == SYS_ptrace && event.result >= 0)
        add("a process that traces another (ptrace)", seq);
}

} // namespace retrograde
