#include "capture/scheduling_belief.h"

#include "base/clock.h"
#include "capture/call_memory.h"
#include "capture/registers.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef PR_GET_TSC
#define PR_GET_TSC 25
#define PR_SET_TSC 26
#define PR_TSC_ENABLE 1
#define PR_TSC_SIGSEGV 2
#endif

namespace retrograde {

namespace {

constexpr std::uint64_t reset_on_fork = 1;              // SCHED_FLAG_RESET_ON_FORK
constexpr std::int64_t told_reset_on_fork = 0x40000000; // SCHED_RESET_ON_FORK

bool is_real_time(std::uint32_t policy) {
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

bool is_fair(std::uint32_t policy) {
    return policy == SCHED_OTHER || policy == SCHED_BATCH;
}

void write(pid_t tid, std::uint64_t address, const void *bytes, std::size_t length) {
    iovec local{const_cast<void *>(bytes), length};
    iovec remote{reinterpret_cast<void *>(address), length};
    ::process_vm_writev(tid, &local, 1, &remote, 1, 0);
}

// The thread may be on its way into the stop still.
bool read_registers_of_stopped(pid_t tid, GeneralRegisters &registers) {
    constexpr std::uint64_t patience_ns = 20'000'000;
    const std::uint64_t deadline = now_ns() + patience_ns;
    while (!read_registers(tid, registers)) {
        if (errno != ESRCH || now_ns() > deadline)
            return false;
        ::usleep(20);
    }
    return true;
}

void set_result(rg_event &call, std::int64_t result) {
    const auto tid = static_cast<pid_t>(call.tid);
    GeneralRegisters registers{};
    if (call.result == result)
        return;
    call.result = result;
    if (!read_registers_of_stopped(tid, registers))
        return;
#if defined(__x86_64__)
    registers.rax = static_cast<std::uint64_t>(result);
#else
    registers.regs[0] = static_cast<std::uint64_t>(result);
#endif
    write_registers(tid, registers);
}

} // namespace

void SchedulingBelief::begin_with(const Serialisation &serialisation) {
    first_.attributes = serialisation.attributes();
    first_.cpus = serialisation.allowed();
    first_.slack = first_.default_slack = serialisation.timer_slack();
}

bool SchedulingBelief::concerns(int nr) {
    switch (nr) {
    case SYS_sched_setaffinity:
    case SYS_sched_setscheduler:
    case SYS_sched_setparam:
    case SYS_sched_setattr:
    case SYS_sched_getaffinity:
    case SYS_sched_getscheduler:
    case SYS_sched_getparam:
    case SYS_sched_getattr:
        return true;
    default:
        return false;
    }
}

bool SchedulingBelief::concerns_option(std::uint64_t option) {
    return option == PR_GET_TSC || option == PR_SET_TSC || option == PR_GET_TIMERSLACK || option == PR_SET_TIMERSLACK;
}

void SchedulingBelief::look_at(const rg_event &event) {
    const auto tid = static_cast<pid_t>(event.tid), other = static_cast<pid_t>(event.args[0]);
    switch (event.kind) {
    case RG_FORK: {
        Belief belief = threads_.contains(other) ? threads_[other] : first_;
        SchedulingAttributes &attributes = belief.attributes;
        if (attributes.flags & reset_on_fork) {
            const std::int32_t nice = std::max(attributes.nice, 0);
            attributes = {attributes.size, is_fair(attributes.policy) ? attributes.policy : SCHED_OTHER, 0, nice};
        }
        belief.default_slack = belief.slack;
        threads_[tid] = belief;
        break;
    }
    case RG_EXEC:
        if (threads_.empty()) { // the command
            threads_[tid] = first_;
            ours_ = scheduling_attributes(tid);
            ::sched_getaffinity(tid, sizeof our_cpus_, &our_cpus_);
        } else if (auto node = threads_.extract(other); !node.empty()) {
            threads_.erase(tid);
            node.key() = tid;
            threads_.insert(std::move(node));
        }
        break;
    case RG_EXIT:
        threads_.erase(tid);
        break;
    default:
        break;
    }
}

// The thread that a call is about, where it is one of ours.
SchedulingBelief::Belief *SchedulingBelief::asked(const rg_event &call, pid_t &tid) {
    tid = static_cast<pid_t>(call.args[0]);
    if (tid == 0 || call.nr == SYS_prctl)
        tid = static_cast<pid_t>(call.tid);
    const auto found = threads_.find(tid);
    return found == threads_.end() ? nullptr : &found->second;
}

void SchedulingBelief::undo(pid_t tid) const {
    SchedulingAttributes ours = ours_;
    if (is_fair(ours.policy)) // the nice value is the program's
        ours.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(tid));
    ours.size = sizeof ours;
    ::syscall(SYS_sched_setattr, tid, &ours, 0);
    ::sched_setaffinity(tid, sizeof our_cpus_, &our_cpus_);
}

void SchedulingBelief::has_set(const rg_event &call) {
    pid_t tid = 0;
    auto take = [&](pid_t changed, Belief &belief) {
        if (call.nr == SYS_sched_setaffinity)
            ::sched_getaffinity(changed, sizeof belief.cpus, &belief.cpus);
        else
            belief.attributes = scheduling_attributes(changed);
        undo(changed);
    };
    if (Belief *belief = asked(call, tid)) {
        take(tid, *belief);
        return;
    }
    // Another process, or one of ours that has another number where the program is (pid_namespaces(7)).
    for (auto &[thread, belief] : threads_) {
        cpu_set_t cpus;
        const SchedulingAttributes now = scheduling_attributes(thread);
        if (::sched_getaffinity(thread, sizeof cpus, &cpus) == 0 &&
            (!CPU_EQUAL(&cpus, &our_cpus_) || now.policy != ours_.policy || now.priority != ours_.priority))
            take(thread, belief);
    }
}

void SchedulingBelief::tell_attributes(const rg_event &call, pid_t tid, const Belief &belief) const {
    SchedulingAttributes told;
    const auto caller = static_cast<pid_t>(call.tid);
    if (!ProcessMemory(caller).get(call.args[1], told))
        return;
    const std::uint32_t size = std::min<std::uint32_t>(told.size, sizeof told);
    told = belief.attributes;
    told.nice = is_fair(told.policy) ? ::getpriority(PRIO_PROCESS, static_cast<id_t>(tid)) : 0;
    constexpr std::uint64_t behind_size = offsetof(SchedulingAttributes, policy);
    if (size > behind_size)
        write(caller, call.args[1] + behind_size, &told.policy, size - behind_size);
}

void SchedulingBelief::correct_prctl(rg_event &call, Belief &belief) {
    switch (call.args[0]) {
    case PR_SET_TSC: // a filter has answered it
        if (call.args[1] == PR_TSC_ENABLE || call.args[1] == PR_TSC_SIGSEGV)
            belief.forbids_counter = call.args[1] == PR_TSC_SIGSEGV;
        else
            set_result(call, -EINVAL);
        break;
    case PR_GET_TSC: {
        const int told = belief.forbids_counter ? PR_TSC_SIGSEGV : PR_TSC_ENABLE;
        if (call.result == 0)
            write(static_cast<pid_t>(call.tid), call.args[1], &told, sizeof told);
        break;
    }
    case PR_SET_TIMERSLACK:
        if (call.result == 0)
            belief.slack = static_cast<std::int64_t>(call.args[1]) > 0 ? call.args[1] : belief.default_slack;
        break;
    case PR_GET_TIMERSLACK:
        if (call.result >= 0)
            set_result(call, static_cast<std::int32_t>(belief.slack));
        break;
    default:
        break;
    }
}

void SchedulingBelief::correct(rg_event &call) {
    const bool is_prctl = call.nr == SYS_prctl && concerns_option(call.args[0]);
    if (call.kind != RG_SYSCALL || (call.flags & RG_COMPAT) || (!is_prctl && !concerns(call.nr)))
        return;
    pid_t tid = 0;
    Belief *belief = asked(call, tid);
    const auto caller = static_cast<pid_t>(call.tid);
    switch (call.nr) {
    case SYS_sched_setparam:
        // The kernel has compared the priority with a policy that is ours.
        if (belief && is_real_time(ours_.policy) != is_real_time(belief->attributes.policy) &&
            (call.result == 0 || call.result == -EINVAL)) {
            std::int32_t priority = 0;
            const bool known = call.args[1] != 0 && ProcessMemory(caller).get(call.args[1], priority);
            const bool fits = is_real_time(belief->attributes.policy) ? priority > 0 && priority < 100 : priority == 0;
            undo(tid);
            set_result(call, known && fits ? 0 : -EINVAL);
            if (known && fits)
                belief->attributes.priority = static_cast<std::uint32_t>(priority);
            break;
        }
        [[fallthrough]];
    case SYS_sched_setaffinity:
    case SYS_sched_setscheduler:
    case SYS_sched_setattr:
        if (call.result == 0)
            has_set(call);
        break;
    case SYS_prctl:
        if (belief)
            correct_prctl(call, *belief);
        break;
    case SYS_sched_getaffinity:
        if (belief && call.result > 0)
            write(caller, call.args[2], &belief->cpus,
                  std::min(static_cast<std::size_t>(call.result), sizeof belief->cpus));
        break;
    case SYS_sched_getscheduler:
        if (belief && call.result >= 0)
            set_result(call, std::int64_t{belief->attributes.policy} |
                                 (belief->attributes.flags & reset_on_fork ? told_reset_on_fork : 0));
        break;
    case SYS_sched_getparam:
        if (belief && call.result == 0)
            write(caller, call.args[1], &belief->attributes.priority, sizeof belief->attributes.priority);
        break;
    case SYS_sched_getattr:
        if (belief && call.result == 0)
            tell_attributes(call, tid, *belief);
        break;
    default:
        break;
    }
}

bool SchedulingBelief::forbids_counter(pid_t tid) const {
    const auto found = threads_.find(tid);
    return found != threads_.end() && found->second.forbids_counter;
}

void SchedulingBelief::give_back(pid_t tid) const {
    const auto found = threads_.find(tid);
    const Belief &belief = found == threads_.end() ? first_ : found->second;
    SchedulingAttributes attributes = belief.attributes;
    if (is_fair(attributes.policy))
        attributes.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(tid));
    attributes.size = sizeof attributes;
    // A deadline holds for a thread that may use all CPUs alone (sched(7)).
    ::sched_setaffinity(tid, sizeof belief.cpus, &belief.cpus);
    ::syscall(SYS_sched_setattr, tid, &attributes, 0);
}

} // namespace retrograde
