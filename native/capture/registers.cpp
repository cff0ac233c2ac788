#include "capture/registers.h"

#include <sys/ptrace.h>
#include <sys/uio.h>

namespace retrograde {

std::vector<unsigned char> read_register_set(pid_t tid, unsigned set) {
    std::vector<unsigned char> bytes(16 << 10); // with AMX's tiles an XSAVE area has 11 KiB
    iovec area{bytes.data(), bytes.size()};
    if (::ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void *>(static_cast<std::uintptr_t>(set)), &area) != 0)
        return {};
    bytes.resize(area.iov_len);
    return bytes;
}

bool read_registers(pid_t tid, GeneralRegisters &registers) {
    iovec area{&registers, sizeof registers};
    return ::ptrace(PTRACE_GETREGSET, tid, reinterpret_cast<void *>(NT_PRSTATUS), &area) == 0 &&
           area.iov_len == sizeof registers;
}

bool write_registers(pid_t tid, const GeneralRegisters &registers) {
    iovec area{const_cast<GeneralRegisters *>(&registers), sizeof registers};
    return ::ptrace(PTRACE_SETREGSET, tid, reinterpret_cast<void *>(NT_PRSTATUS), &area) == 0;
}

} // namespace retrograde
