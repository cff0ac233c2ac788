#include "capture/target.h"

#include "base/failure.h"
#include "capture/trapped_instructions.h"

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <elf.h>
#include <fcntl.h>
#include <fstream>
#include <grp.h>
#include <memory>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace retrograde {

namespace {

// The path that execvp would find; found here so that the child makes one execve alone.
std::string find_program(const std::string &name) {
    struct stat status;
    auto usable = [&](const std::string &path) {
        return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
    };
    if (name.find('/') != std::string::npos) {
        if (::stat(name.c_str(), &status) != 0)
            throw system_failure("cannot run " + name, errno, exit_usage);
        if (!usable(name))
            throw Failure("cannot run " + name + ": it is no executable file", exit_usage);
        return name;
    }
    const char *path = std::getenv("PATH");
    std::string folders = path ? path : "/usr/local/bin:/usr/bin:/bin";
    for (std::size_t start = 0; start <= folders.size();) {
        std::size_t end = std::min(folders.find(':', start), folders.size());
        std::string folder = folders.substr(start, end - start);
        std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
        if (usable(candidate))
            return candidate;
        start = end + 1;
    }
    throw Failure("cannot run " + name + ": there is no such command in PATH=" + folders, exit_usage);
}

// The interpreter of an ELF file (PT_INTERP), as far as it stands in the file's beginning. Empty where there is none.
template <typename Header, typename Segment> std::string elf_interpreter(const std::string &head) {
    Header elf;
    if (head.size() < sizeof elf)
        return "";
    std::memcpy(&elf, head.data(), sizeof elf);
    for (std::size_t i = 0; i < elf.e_phnum; i++) {
        const std::size_t offset = i * sizeof(Segment);
        if (elf.e_phoff > head.size() || head.size() - elf.e_phoff < offset + sizeof(Segment))
            return "";
        Segment segment;
        std::memcpy(&segment, head.data() + elf.e_phoff + offset, sizeof segment);
        if (segment.p_type == PT_INTERP && segment.p_offset < head.size())
            return head.c_str() + segment.p_offset;
    }
    return "";
}

// What the kernel starts in a program's stead: what is named behind #!, or by an ELF file.
std::string interpreter_of(const std::string &program) {
    std::ifstream file(program, std::ios::binary);
    std::string head(4096, 0);
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<std::size_t>(file.gcount()));
    if (head.starts_with("#!")) {
        const std::size_t begin = head.find_first_not_of(" \t", 2);
        return begin == std::string::npos ? "" : head.substr(begin, head.find_first_of(" \t\n", begin) - begin);
    }
    if (!head.starts_with(ELFMAG) || head.size() <= EI_CLASS)
        return "";
    return head[EI_CLASS] == ELFCLASS32 ? elf_interpreter<Elf32_Ehdr, Elf32_Phdr>(head)
                                        : elf_interpreter<Elf64_Ehdr, Elf64_Phdr>(head);
}

// A script's interpreter may have one itself: the first that is not there, or nothing.
std::string missing_interpreter(const std::string &program) {
    constexpr int most = 5; // fs/exec.c: exec_binprm
    std::string at = program;
    for (int depth = 0; depth < most; depth++) {
        at = interpreter_of(at);
        if (at.empty() || ::access(at.c_str(), F_OK) != 0)
            return at;
    }
    return "";
}

// Text of a file for a terminal.
std::string printable(const std::string &text) {
    std::string shown;
    for (unsigned char byte : text) {
        char escape[8];
        std::snprintf(escape, sizeof escape, byte < 0x20 || byte == 0x7f ? "\\x%02x" : "%c", byte);
        shown += escape;
    }
    return shown;
}

struct Identity {
    std::string name, home, shell;
    uid_t uid;
    gid_t gid;
    std::vector<gid_t> groups;
};

struct FileCloser {
    void operator()(std::FILE *file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// The user, from /etc/passwd and /etc/group themselves: a static program has no name service (nsswitch.conf(5)).
std::optional<Identity> find_user(const std::string &user) {
    if (user.empty())
        return std::nullopt;
    char *end = nullptr;
    const unsigned long number = std::strtoul(user.c_str(), &end, 10);
    const bool is_number = end != user.c_str() && *end == 0;
    std::optional<Identity> identity;
    if (File passwd{std::fopen("/etc/passwd", "re")})
        while (const ::passwd *entry = ::fgetpwent(passwd.get()))
            if (is_number ? entry->pw_uid == number : user == entry->pw_name) {
                identity = Identity{entry->pw_name, entry->pw_dir, entry->pw_shell, entry->pw_uid, entry->pw_gid, {}};
                break;
            }
    if (!identity)
        throw Failure("there is no user '" + user + "' here (--user takes a name or a number of /etc/passwd)",
                      exit_usage);
    identity->groups.push_back(identity->gid);
    if (File groups{std::fopen("/etc/group", "re")})
        while (const ::group *entry = ::fgetgrent(groups.get()))
            for (char **member = entry->gr_mem; *member; member++)
                if (identity->name == *member && entry->gr_gid != identity->gid)
                    identity->groups.push_back(entry->gr_gid);
    return identity;
}

// In the child. Returns an errno, or 0.
int become(const Identity &user) {
    if (::geteuid() == user.uid && ::getegid() == user.gid)
        return 0;
    if (::setgroups(user.groups.size(), user.groups.data()) != 0 || ::setgid(user.gid) != 0 || ::setuid(user.uid) != 0)
        return errno;
    ::setenv("HOME", user.home.c_str(), 1);
    ::setenv("USER", user.name.c_str(), 1);
    ::setenv("LOGNAME", user.name.c_str(), 1);
    ::setenv("SHELL", user.shell.c_str(), 1);
    return 0;
}

} // namespace

Target::Target(const std::vector<std::string> &command, const std::string &user, bool stdout_is_taken,
               bool for_replay) {
    program_ = find_program(command.at(0));
    const std::optional<Identity> identity = find_user(user);
    int release[2], error[2], ready[2];
    if (::pipe2(release, O_CLOEXEC) != 0 || ::pipe2(error, O_CLOEXEC | O_NONBLOCK) != 0 ||
        ::pipe2(ready, O_CLOEXEC) != 0)
        throw system_failure("cannot make a pipe");
    if (for_replay)
        serialisation_.emplace();
    std::vector<char *> arguments;
    for (const std::string &word : command)
        arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    std::vector<char *> through_shell{const_cast<char *>("/bin/sh"), const_cast<char *>(program_.c_str())};
    through_shell.insert(through_shell.end(), arguments.begin() + 1, arguments.end());

    // The child must not run a handler of ours, and has our caller's mask again afterwards.
    sigset_t all, inherited;
    ::sigfillset(&all);
    ::sigprocmask(SIG_BLOCK, &all, &inherited);
    pid_ = ::fork();
    if (pid_ != 0)
        ::sigprocmask(SIG_SETMASK, &inherited, nullptr);
    if (pid_ < 0)
        throw system_failure("cannot fork");
    if (pid_ == 0) {
        ::sigprocmask(SIG_SETMASK, &inherited, nullptr);
        const char real_time = serialisation_ && serialisation_->apply_in_child();
        int failure = identity ? become(*identity) : 0;
        if (::write(ready[1], &real_time, 1) != 1)
            failure = errno;
        if (stdout_is_taken && ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
            failure = errno;
        char go = 0;
        // Nothing comes, should the capture die before it is ready.
        ::close(release[1]);
        while (::read(release[0], &go, 1) < 0 && errno == EINTR) {
        }
        if (go != 'g')
            ::_exit(127);
        if (for_replay)
            trap_instructions();
        if (failure == 0) {
            ::execve(program_.c_str(), arguments.data(), environ);
            failure = errno;
            if (failure == ENOEXEC) { // a script without #!, which execvp too gives to the shell
                ::execve("/bin/sh", through_shell.data(), environ);
                failure = errno;
            }
        }
        ssize_t ignored = ::write(error[1], &failure, sizeof failure);
        ::_exit(ignored < 0 ? 126 : 127);
    }
    ::close(release[0]);
    ::close(error[1]);
    ::close(ready[1]);
    const UniqueFd ready_pipe(ready[0]);
    char real_time = 0;
    while (::read(ready[0], &real_time, 1) < 0 && errno == EINTR) {
    }
    has_real_time_ = real_time != 0;
    if (serialisation_)
        serialisation_->keep_out_of_the_way();
    release_pipe_.reset(release[1]);
    error_pipe_.reset(error[0]);
}

Target::~Target() {
    if (!released_ && pid_ > 0) {
        release_pipe_.reset();
        if (!wait_status_)
            ::waitpid(pid_, nullptr, 0);
    }
}

void Target::release() {
    released_ = true;
    if (::write(release_pipe_.get(), "g", 1) != 1)
        throw system_failure("cannot release the command");
    release_pipe_.reset();
}

std::optional<int> Target::poll_ended() {
    int status = 0;
    if (!wait_status_ && ::waitpid(pid_, &status, WNOHANG) == pid_ && (WIFEXITED(status) || WIFSIGNALED(status)))
        wait_status_ = status;
    return wait_status_;
}

std::string Target::exec_failure() const {
    int failure = 0;
    if (::read(error_pipe_.get(), &failure, sizeof failure) != sizeof failure)
        return "";
    const std::string what = "cannot run " + program_ + ": ";
    const std::string missing = failure == ENOENT ? missing_interpreter(program_) : "";
    if (missing.ends_with('\r'))
        return what + "its interpreter '" + printable(missing) +
               "' does not exist: its first line ends with a carriage "
               "return, as files from Windows do; mend it with: sed -i 's/\\r$//' " +
               program_;
    if (!missing.empty()) // the program is there
        return what + "its interpreter " + printable(missing) + " does not exist";
    return what + std::strerror(failure);
}

} // namespace retrograde
