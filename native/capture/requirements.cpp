#include "capture/requirements.h"

#include "base/failure.h"
#include "base/unique_fd.h"
#include "capture/process_facts.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace retrograde {

namespace {

// linux/capability.h
constexpr int cap_sys_ptrace = 19, cap_sys_admin = 21, cap_perfmon = 38, cap_bpf = 39;

std::uint64_t effective_capabilities() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("CapEff:"))
            return std::strtoull(line.c_str() + 7, nullptr, 16);
    return 0;
}

std::string content(const char *path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

bool in_initial_pid_namespace() {
    struct stat status {};
    constexpr ino_t initial = 0xeffffffc; // PROC_PID_INIT_INO, include/linux/proc_ns.h
    return ::stat("/proc/self/ns/pid", &status) != 0 || status.st_ino == initial;
}

std::string own_path() {
    char path[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
    return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "retrograde-capture";
}

std::string comm_of(pid_t pid) {
    std::string comm = read_proc_file(pid, "comm", 64);
    if (comm.ends_with('\n'))
        comm.pop_back();
    return comm;
}

bool holds_types(const std::string &file) {
    btf *types = btf__parse(file.c_str(), nullptr);
    const bool any = types && btf__type_cnt(types) > 1; // the first is void
    btf__free(types);
    return any;
}

} // namespace

void require_ebpf(const Options &options) {
    std::vector<std::string> missing;
    const std::uint64_t capabilities = effective_capabilities();
    auto has = [&](int capability) { return (capabilities >> capability & 1) != 0; };
    bool may_load = has(cap_sys_admin) || (has(cap_bpf) && has(cap_perfmon));
    if (!may_load) {
        std::string names = !has(cap_bpf) && !has(cap_perfmon) ? "CAP_BPF and CAP_PERFMON"
                            : !has(cap_bpf)                    ? "CAP_BPF"
                                                               : "CAP_PERFMON";
        missing.push_back("the right to load eBPF programs (" + names +
                          "): run it with sudo, or once: sudo setcap "
                          "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_nice+ep " +
                          own_path() + "; in a container: --cap-add BPF --cap-add PERFMON");
    }
    if (options.grade == Grade::replay && !options.user.empty() && !has(cap_sys_ptrace))
        missing.push_back("the right to attach to another user's program (CAP_SYS_PTRACE): run it with sudo; in a "
                          "container: --cap-add SYS_PTRACE");
    if (content("/sys/kernel/security/lockdown").find("[confidentiality]") != std::string::npos)
        missing.push_back("a kernel that lets eBPF read memory (lockdown is [confidentiality]): boot with "
                          "lockdown=integrity");
    if (!in_initial_pid_namespace())
        missing.push_back("the machine's own process ids (this is a PID namespace, whose ids are others): docker run "
                          "--pid=host, kubernetes hostPID: true");
    if (options.btf_file.empty() && ::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
        missing.push_back("type information of this kernel (/sys/kernel/btf/vmlinux): a kernel with "
                          "CONFIG_DEBUG_INFO_BTF=y, or its BTF with --btf FILE (btfhub.io has many)");
    if (!options.btf_file.empty() && ::access(options.btf_file.c_str(), R_OK) != 0)
        missing.push_back("the file " + options.btf_file + " of --btf");
    else if (!options.btf_file.empty() && !holds_types(options.btf_file))
        missing.push_back("type information in the file " + options.btf_file + " of --btf: it holds no BTF");
    if (may_load) {
        UniqueFd ring(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "rg_probe", 0, 0, 65536, nullptr));
        if (!ring && errno == ENOSYS)
            missing.push_back("eBPF in this kernel: one with CONFIG_BPF_SYSCALL=y");
        else if (!ring && errno == EPERM)
            missing.push_back("leave to call bpf(), which is refused although the capabilities are there: in a "
                              "container, --security-opt seccomp=unconfined");
        else if (!ring && errno == EINVAL)
            missing.push_back("BPF ring buffers: Linux 5.8 has them");
    }
    if (missing.empty())
        return;
    std::string text = "eBPF capture is not possible here. Missing:";
    for (const std::string &one : missing)
        text += "\n  - " + one;
    throw Failure(text, exit_cannot);
}

Failure attach_failure(pid_t pid, int error) {
    const std::string what = "cannot attach to process " + std::to_string(pid) + " by ptrace";
    if (error == ESRCH)
        return Failure(what + ": there is no such process", exit_usage);
    if (error != EPERM)
        return system_failure(what, error, exit_cannot);
    const ProcessFacts facts = read_process_facts(pid);
    if (facts.tracer != 0)
        return Failure(
            what + ": process " + std::to_string(facts.tracer) + " (" + comm_of(facts.tracer) +
                ") traces it already, and a process has one tracer. In a recording, record the outer command "
                "alone, which records this one too; or use `retrograde trace`, which attaches to nothing "
                "where eBPF is permitted",
            exit_cannot);
    std::string message = what + ": Operation not permitted";
    if (facts.found && facts.uid != ::geteuid() && ::geteuid() != 0)
        return Failure(message + ": it belongs to user " + std::to_string(facts.uid) + "; run as root", exit_cannot);
    const std::string scope = content("/proc/sys/kernel/yama/ptrace_scope").substr(0, 1);
    if (!scope.empty() && scope != "0")
        message += ": kernel.yama.ptrace_scope is " + scope + ", needed is 0 (or root); " +
                   (scope == "3" ? "only a restart of the machine resets it"
                                 : "mend it with: sudo sysctl kernel.yama.ptrace_scope=0");
    else
        message += "; run as root, in a container with: --cap-add SYS_PTRACE";
    return Failure(message, exit_cannot);
}

} // namespace retrograde
