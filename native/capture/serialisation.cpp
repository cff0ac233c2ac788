#include "capture/serialisation.h"

#include "capture/syscall_table.h"
#include "capture/trapped_instructions.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace retrograde {

namespace {

#if defined(__x86_64__)
constexpr __u32 native_arch = AUDIT_ARCH_X86_64;
#else
constexpr __u32 native_arch = AUDIT_ARCH_AARCH64;
#endif

// Programs are known to do without these. (A process that asks for perf events gets a page that the kernel writes.)
constexpr int vetoed_calls[] = {SYS_io_uring_setup,
                                SYS_io_uring_enter,
                                SYS_io_uring_register,
                                SYS_io_setup,
                                SYS_userfaultfd,
                                SYS_perf_event_open,
                                SYS_rseq};

constexpr int command_priority = 1; // of real time

// A seccomp filter; jumps are forwards, by a number of instructions.
class Filter {
  public:
    void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offset)); }
    void load_argument(int number) { // its low half
        load(offsetof(seccomp_data, args) + sizeof(__u64) * static_cast<std::size_t>(number));
    }
    void answer(__u32 value) { add(BPF_RET | BPF_K, value); }
    // Goes past the next `skipped` instructions unless the loaded value is this one.
    void unless_equal(__u32 value, __u8 skipped) { add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped); }
    void if_equal(__u32 value, __u8 skipped) { add(BPF_JMP | BPF_JEQ | BPF_K, value, skipped, 0); }
    sock_fprog program() { return {static_cast<unsigned short>(code_.size()), code_.data()}; }

  private:
    void add(int code, __u32 value, __u8 if_true = 0, __u8 if_false = 0) {
        code_.push_back({static_cast<__u16>(code), if_true, if_false, value});
    }
    std::vector<sock_filter> code_;
};

Filter make_filter() {
    Filter filter;
    filter.load(offsetof(seccomp_data, arch));
    filter.if_equal(native_arch, 1);
    filter.answer(SECCOMP_RET_ALLOW);
    filter.load(offsetof(seccomp_data, nr));
    for (const int nr : vetoed_calls) {
        filter.unless_equal(static_cast<__u32>(nr), 1);
        filter.answer(SECCOMP_RET_ERRNO | ENOSYS);
    }
#if defined(PR_SET_TSC)
    // The program cannot end the trapping of what it asks the processor; we can.
    filter.unless_equal(SYS_prctl, 5);
    filter.load_argument(0);
    filter.unless_equal(PR_SET_TSC, 3);
    filter.load_argument(4);
    filter.if_equal(our_prctl, 1);
    filter.answer(SECCOMP_RET_ERRNO | 0);
#endif
#if defined(__aarch64__)
    // New keys for signing pointers would be drawn where nobody sees them. The answer is that of a machine without.
    filter.load(offsetof(seccomp_data, nr));
    filter.unless_equal(SYS_prctl, 3);
    filter.load_argument(0);
    filter.unless_equal(PR_PAC_RESET_KEYS, 1);
    filter.answer(SECCOMP_RET_ERRNO | EINVAL);
#endif
    filter.answer(SECCOMP_RET_ALLOW);
    return filter;
}

void install_filter() {
    Filter filter = make_filter();
    const sock_fprog program = filter.program();
    // Without the flag, old kernels would slow the program's speculation down.
    auto install = [&](unsigned flags) {
        return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0;
    };
    auto install_any = [&] { return install(SECCOMP_FILTER_FLAG_SPEC_ALLOW) || install(0); };
    // Privileges by setuid are lost only where there is no other way.
    if (!install_any() && errno == EACCES && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        install_any();
}

void schedule(pid_t tid, int policy, int priority) {
    sched_param parameter{};
    parameter.sched_priority = priority;
    ::sched_setscheduler(tid, policy, &parameter);
}

void bind(pid_t tid, const cpu_set_t &cpus) {
    ::sched_setaffinity(tid, sizeof cpus, &cpus);
}

cpu_set_t only(int cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    return cpus;
}

} // namespace

SchedulingAttributes scheduling_attributes(pid_t tid) {
    SchedulingAttributes attributes;
    ::syscall(SYS_sched_getattr, tid, &attributes, sizeof attributes, 0);
    return attributes;
}

Serialisation::Serialisation() {
    ::sched_getaffinity(0, sizeof allowed_, &allowed_);
    attributes_ = scheduling_attributes(0);
    timer_slack_ = static_cast<std::uint64_t>(std::max(::prctl(PR_GET_TIMERSLACK), 0));
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed_))
            cpu_ = cpu;
}

bool Serialisation::apply_in_child() const {
    bind(0, only(cpu_));
    // Round robin and not first-in-first-out: a thread that spins for another that waits would never end.
    schedule(0, SCHED_RR, command_priority);
    const bool real_time = ::sched_getscheduler(0) == SCHED_RR;
    if (!real_time)
        schedule(0, SCHED_BATCH, 0);
    install_filter();
    return real_time;
}

void Serialisation::keep_out_of_the_way() const {
    cpu_set_t others = allowed_;
    CPU_CLR(cpu_, &others);
    if (CPU_COUNT(&others) > 0)
        bind(0, others);
    else
        schedule(0, SCHED_FIFO, command_priority + 1);
}

void Serialisation::take_turns_with(pid_t command) const {
    bind(0, only(cpu_));
    if (::sched_getscheduler(command) != SCHED_RR)
        return;
    schedule(command, SCHED_RR, command_priority + 1);
    schedule(0, SCHED_FIFO, command_priority + 2);
}

Standstill::Standstill(const Serialisation &serialisation) : cpu_(serialisation.cpu()) {
    sched_param parameter{};
    ::sched_getaffinity(0, sizeof cpus_, &cpus_);
    policy_ = ::sched_getscheduler(0);
    ::sched_getparam(0, &parameter);
    priority_ = parameter.sched_priority;
    schedule(0, SCHED_FIFO, command_priority + 1);
    if (::sched_getscheduler(0) == SCHED_FIFO)
        bind(0, only(cpu_)); // returns when it runs there
}

bool Standstill::holds() const {
    return ::sched_getscheduler(0) == SCHED_FIFO && ::sched_getcpu() == cpu_;
}

Standstill::~Standstill() {
    bind(0, cpus_);
    schedule(0, policy_, priority_);
}

std::vector<std::string> Serialisation::vetoed() {
    std::vector<std::string> names;
    for (const int nr : vetoed_calls)
        if (const char *name = syscall_name(nr))
            names.emplace_back(name);
    return names;
}

} // namespace retrograde
