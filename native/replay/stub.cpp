#include "replay/stub.h"

#include "base/failure.h"
#include "replay/maps.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <vector>

namespace retrograde {

namespace {

constexpr long trace_options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                               PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
#if defined(__x86_64__)
constexpr unsigned char code[] = {0x0f, 0x05, 0xcc}; // syscall; int3
constexpr std::uint16_t machine = EM_X86_64;
#else
constexpr unsigned char code[] = {0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4}; // svc #0; brk #0
constexpr std::uint16_t machine = EM_AARCH64;
#endif

// An ELF file with one page of code and one of data (elf(5)).
std::vector<unsigned char> stub_file() {
    constexpr std::size_t page = 0x1000;
    std::vector<unsigned char> file(2 * page);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_entry = stub_trap;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    std::memcpy(file.data(), &header, sizeof header);
    for (int i = 0; i < 2; i++) {
        Elf64_Phdr segment{};
        segment.p_type = PT_LOAD;
        segment.p_flags = i == 0 ? PF_R | PF_X : PF_R | PF_W;
        segment.p_offset = i == 0 ? page : 0; // the code at the start of its page
        segment.p_vaddr = i == 0 ? stub_code : stub_data;
        segment.p_filesz = segment.p_memsz = page;
        segment.p_align = page;
        std::memcpy(file.data() + sizeof header + static_cast<std::size_t>(i) * sizeof segment, &segment,
                    sizeof segment);
    }
    std::memcpy(file.data() + page, code, sizeof code);
    return file;
}

UniqueFd stub_descriptor() {
    UniqueFd file(::memfd_create("retrograde-stub", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const std::vector<unsigned char> content = stub_file();
    if (!file || ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        throw system_failure("cannot make the stub of a replayed process");
    ::fchmod(file.get(), 0500);
    ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
    return file;
}

// What the kernel gives every program of its own: stack, vDSO.
void unmap_all_but_the_stub(Tracee &tracee) {
    for (const Mapping &mapping : current_maps(tracee.tid())) {
        if (mapping.path == "[vsyscall]" || (mapping.start >= stub_code && mapping.start < stub_end))
            continue;
        const std::uint64_t length = mapping.end - mapping.start;
        if (const std::int64_t result = tracee.call(SYS_munmap, {mapping.start, length, 0, 0, 0, 0}); result != 0)
            throw system_failure("cannot clear the memory of a replayed process", static_cast<int>(-result));
    }
}

void prepare(Tracee &tracee) {
    unmap_all_but_the_stub(tracee);
    tracee.call(SYS_prctl, {PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0, 0}); // arm64: Linux 6.12
}

void wait_for_exec(Tracee &tracee) {
    for (;;) {
        const int status = tracee.wait_through();
        if (!WIFSTOPPED(status))
            throw Failure("a replayed process could not be started");
        if (status >> 16 == PTRACE_EVENT_EXEC)
            break;
        tracee.resume(Resume::free, status >> 16 == 0 ? WSTOPSIG(status) : 0);
    }
    // Stopped inside execve: it goes on to the stub's entry, which is the trap.
    tracee.resume(Resume::free);
    const int status = tracee.wait_through();
    if (!WIFSTOPPED(status) || tracee.registers().pc() != stub_trap + breakpoint_advance)
        throw Failure("a replayed process could not be started: its stub does not run");
}

} // namespace

Tracee start_stub(int images) {
    const UniqueFd stub = stub_descriptor();
    int go[2];
    if (::pipe2(go, O_CLOEXEC) != 0)
        throw system_failure("cannot make a pipe");
    UniqueFd go_read(go[0]), go_write(go[1]);
    const pid_t child = ::fork();
    if (child < 0)
        throw system_failure("cannot fork");
    if (child == 0) {
        // Only system calls: this is the child of a process with threads.
        char byte;
        ::close(go[1]);
        while (::read(go[0], &byte, 1) < 0 && errno == EINTR) {
        }
        ::setpgid(0, 0); // the terminal's Ctrl-C is for the debugger
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        for (int signal = 1; signal < 65; signal++)
            ::signal(signal, SIG_DFL);
        if ((images >= 0 && ::dup2(images, stub_images) < 0) || ::dup2(stub.get(), stub_program) < 0)
            ::_exit(127);
        ::syscall(SYS_close_range, 0, stub_images - 1, 0);
        ::syscall(SYS_close_range, stub_program + 1, ~0u, 0);
        if (images < 0)
            ::close(stub_images);
        char *const nothing[] = {nullptr};
        char name[] = "retrograde-replayed";
        char *const arguments[] = {name, nullptr};
        ::syscall(SYS_execveat, stub_program, "", arguments, nothing, AT_EMPTY_PATH);
        ::_exit(127);
    }
    Tracee tracee(child, child);
    if (::ptrace(PTRACE_SEIZE, child, nullptr, trace_options) != 0) {
        const int error = errno;
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        throw system_failure("cannot trace a process of our own: does a sandbox forbid ptrace?", error, exit_cannot);
    }
    go_write.reset();
    wait_for_exec(tracee);
    prepare(tracee);
    return tracee;
}

void restart_as_stub(Tracee &tracee) {
    const char empty = 0;
    const std::uint64_t arguments[] = {stub_data, 0};
    write_memory(tracee.tid(), stub_data, &empty, 1);
    write_memory(tracee.tid(), stub_data + 16, arguments, sizeof arguments);
    tracee.settle();
    Registers registers = tracee.registers();
    registers.prepare_call(SYS_execveat, {stub_program, stub_data, stub_data + 16, stub_data + 24, AT_EMPTY_PATH, 0});
    registers.set_pc(stub_code);
    tracee.set_registers(registers);
    tracee.resume(Resume::free);
    // A thread takes over the id of its process's main thread (ptrace(2), "execve(2) under ptrace").
    tracee = Tracee(tracee.process(), tracee.process());
    wait_for_exec(tracee);
    prepare(tracee);
}

} // namespace retrograde
