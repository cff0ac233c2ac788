// What /proc tells of one process or thread.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

struct ProcessFacts {
    bool found = false;
    pid_t pid = 0;    // of the process (thread group)
    pid_t parent = 0; // process
    pid_t tracer = 0;
    std::uint32_t uid = 0, gid = 0;        // real
    std::uint64_t ignored = 0, caught = 0; // signals: bit n - 1
    std::uint64_t pending = 0;             // of this thread or its process
    unsigned threads = 0;                  // of the process
    bool stopped = false;                  // or dead
};
ProcessFacts read_process_facts(pid_t tid);

// The letter of its state in /proc/<tid>/stat (proc(5)); X where it is gone.
char thread_state(pid_t tid);

// The whole of /proc/<tid>/<name>; empty where it can't be read. `limit` bounds its bytes.
std::string read_proc_file(pid_t tid, const std::string &name, std::size_t limit);

// The id of the cgroup (v2) that a process is in, which is the inode of its folder; 0 where there is none.
std::uint64_t cgroup_id(pid_t pid);

std::vector<pid_t> threads_of(pid_t pid);

// Whether the program that a process executes would gain privileges by its file (setuid, setgid, capabilities).
bool program_gives_privileges(pid_t pid);

} // namespace retrograde
