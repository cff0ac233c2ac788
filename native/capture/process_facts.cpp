#include "capture/process_facts.h"

#include "base/unique_fd.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

namespace retrograde {

namespace {

std::string proc_path(pid_t tid, const std::string &name) {
    return "/proc/" + std::to_string(tid) + "/" + name;
}

// The number behind "\nName:" in the text of /proc/<pid>/status.
std::uint64_t field(const std::string &status, const char *name, int base) {
    const std::string key = std::string("\n") + name + ":";
    const std::size_t at = status.find(key);
    return at == std::string::npos ? 0 : std::strtoull(status.c_str() + at + key.size(), nullptr, base);
}

} // namespace

std::string read_proc_file(pid_t tid, const std::string &name, std::size_t limit) {
    std::string content;
    UniqueFd file(::open(proc_path(tid, name).c_str(), O_RDONLY | O_CLOEXEC));
    char buffer[16384];
    ssize_t got;
    while (file && content.size() < limit && (got = ::read(file.get(), buffer, sizeof buffer)) > 0)
        content.append(buffer, static_cast<std::size_t>(got));
    if (content.size() > limit)
        content.resize(limit);
    return content;
}

ProcessFacts read_process_facts(pid_t tid) {
    const std::string status = read_proc_file(tid, "status", 1 << 16);
    ProcessFacts facts;
    if (status.empty())
        return facts;
    facts.found = true;
    facts.pid = static_cast<pid_t>(field(status, "Tgid", 10));
    facts.parent = static_cast<pid_t>(field(status, "PPid", 10));
    facts.tracer = static_cast<pid_t>(field(status, "TracerPid", 10));
    facts.uid = static_cast<std::uint32_t>(field(status, "Uid", 10));
    facts.gid = static_cast<std::uint32_t>(field(status, "Gid", 10));
    facts.ignored = field(status, "SigIgn", 16);
    facts.caught = field(status, "SigCgt", 16);
    facts.pending = field(status, "SigPnd", 16) | field(status, "ShdPnd", 16);
    facts.threads = static_cast<unsigned>(field(status, "Threads", 10));
    const std::size_t state = status.find("\nState:\t");
    facts.stopped = state != std::string::npos && std::strchr("TtZX", status[state + 8]);
    return facts;
}

char thread_state(pid_t tid) {
    const std::string stat = read_proc_file(tid, "stat", 512);
    const std::size_t name_end = stat.rfind(')');
    return name_end != std::string::npos && name_end + 2 < stat.size() ? stat[name_end + 2] : 'X';
}

std::uint64_t cgroup_id(pid_t pid) {
    const std::string groups = read_proc_file(pid, "cgroup", 1 << 16);
    const std::size_t start = groups.find("0::/");
    if (start == std::string::npos)
        return 0;
    const std::string folder = groups.substr(start + 3, groups.find('\n', start) - start - 3);
    struct stat status;
    for (const char *root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"})
        if (::access((std::string(root) + "/cgroup.procs").c_str(), F_OK) == 0 ||
            ::access((std::string(root) + "/cgroup.controllers").c_str(), F_OK) == 0)
            return ::stat((root + folder).c_str(), &status) == 0 ? status.st_ino : 0;
    return 0;
}

std::vector<pid_t> threads_of(pid_t pid) {
    std::vector<pid_t> threads;
    DIR *folder = ::opendir(proc_path(pid, "task").c_str());
    if (!folder)
        return threads;
    while (const dirent *entry = ::readdir(folder))
        if (const pid_t tid = std::atoi(entry->d_name); tid > 0)
            threads.push_back(tid);
    ::closedir(folder);
    return threads;
}

bool program_gives_privileges(pid_t pid) {
    const std::string program = proc_path(pid, "exe");
    struct stat status;
    if (::stat(program.c_str(), &status) != 0)
        return false;
    if (((status.st_mode & S_ISUID) && status.st_uid != ::geteuid()) ||
        ((status.st_mode & S_ISGID) && (status.st_mode & S_IXGRP) && status.st_gid != ::getegid()))
        return true;
    return ::getxattr(program.c_str(), "security.capability", nullptr, 0) > 0;
}

} // namespace retrograde
