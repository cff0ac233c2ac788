#include "capture/snapshot.h"

#include "base/unique_fd.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <functional>
#include <limits.h>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace retrograde {

namespace {

constexpr std::size_t max_file = 1 << 20;
constexpr std::size_t max_path = 0xffff;

class SnapshotBuilder {
  public:
    void add(const std::string &path, const std::string &content) {
        if (path.size() > max_path)
            return;
        append_number(path.size(), 2);
        append_number(content.size(), 4);
        payload_ += path;
        payload_ += content;
    }

    void add_file(const std::string &path) {
        UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        if (!file)
            return;
        std::string content;
        char buffer[16384];
        ssize_t got;
        while (content.size() < max_file && (got = ::read(file.get(), buffer, sizeof buffer)) > 0)
            content.append(buffer, static_cast<std::size_t>(got));
        add(path, content);
    }

    void add_link(const std::string &path) {
        char link[PATH_MAX];
        ssize_t length = ::readlink(path.c_str(), link, sizeof link);
        if (length >= 0)
            add(path, std::string(link, static_cast<std::size_t>(length)));
    }

    std::string take() { return std::move(payload_); }

  private:
    void append_number(std::size_t number, int bytes) {
        for (int i = 0; i < bytes; i++)
            payload_ += static_cast<char>(number >> (8 * i));
    }

    std::string payload_;
};

void each_entry(const std::string &folder_name, const std::function<void(const std::string &)> &visit) {
    DIR *folder = ::opendir(folder_name.c_str());
    if (!folder)
        return;
    while (const dirent *entry = ::readdir(folder))
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
            visit(entry->d_name);
    ::closedir(folder);
}

// The parent, from /proc/PID/stat: "pid (comm) state ppid …", where comm may hold anything.
pid_t parent_of(pid_t pid) {
    UniqueFd file(::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    ssize_t length = file ? ::read(file.get(), text, sizeof text - 1) : -1;
    if (length <= 0)
        return 0;
    text[length] = 0;
    std::string line(text);
    std::size_t after = line.rfind(')');
    return after == std::string::npos || after + 4 > line.size() ? 0 : std::atoi(line.c_str() + after + 4);
}

} // namespace

std::vector<pid_t> all_pids() {
    std::vector<pid_t> pids;
    each_entry("/proc", [&](const std::string &name) { pids.push_back(std::atoi(name.c_str())); });
    return pids;
}

std::vector<pid_t> with_descendants(const std::vector<pid_t> &pids) {
    std::map<pid_t, pid_t> parents;
    for (pid_t pid : all_pids())
        parents[pid] = parent_of(pid);
    std::vector<pid_t> found;
    for (auto [pid, parent] : parents)
        for (pid_t at = pid; at > 0; at = parents.contains(at) ? parents[at] : 0)
            if (std::find(pids.begin(), pids.end(), at) != pids.end()) {
                found.push_back(pid);
                break;
            }
    return found;
}

std::string take_snapshot(const std::vector<pid_t> &pids) {
    SnapshotBuilder snapshot;
    std::set<pid_t> described;
    std::set<std::string> network_namespaces;
    auto describe = [&](pid_t pid) {
        const std::string folder = "/proc/" + std::to_string(pid) + "/";
        for (const char *name : {"stat", "status", "comm", "cmdline", "cgroup"})
            snapshot.add_file(folder + name);
        snapshot.add_link(folder + "exe");
        described.insert(pid);
    };
    for (pid_t pid : pids) {
        if (described.contains(pid))
            continue;
        describe(pid);
        const std::string folder = "/proc/" + std::to_string(pid) + "/";
        snapshot.add_file(folder + "environ");
        snapshot.add_file(folder + "loginuid");
        snapshot.add_link(folder + "cwd");
        snapshot.add_link(folder + "root");
        each_entry(folder + "task",
                   [&](const std::string &tid) { snapshot.add_file(folder + "task/" + tid + "/comm"); });
        bool has_sockets = false;
        each_entry(folder + "fd", [&](const std::string &fd) {
            char link[64] = "";
            if (::readlink((folder + "fd/" + fd).c_str(), link, sizeof link - 1) > 0)
                has_sockets |= std::string_view(link).starts_with("socket:");
            snapshot.add_link(folder + "fd/" + fd);
            snapshot.add_file(folder + "fdinfo/" + fd);
        });
        // The socket tables are long: once for each network namespace.
        char network[64] = "";
        if (has_sockets && ::readlink((folder + "ns/net").c_str(), network, sizeof network - 1) > 0 &&
            network_namespaces.insert(network).second)
            for (const char *name : {"tcp", "tcp6", "udp", "udp6", "unix", "raw", "raw6", "icmp", "netlink", "packet"})
                snapshot.add_file(folder + "net/" + name);
    }
    for (pid_t pid : pids)
        for (pid_t ancestor = parent_of(pid); ancestor > 0 && !described.contains(ancestor);
             ancestor = parent_of(ancestor))
            describe(ancestor);
    return snapshot.take();
}

} // namespace retrograde
