#include "replay/echo.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

namespace retrograde {

namespace {

constexpr std::uint64_t most_shown = 1 << 20; // of one call

void write_out(int to, const unsigned char *bytes, std::size_t length) {
    while (length > 0) {
        const ssize_t written = ::write(to, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        length -= static_cast<std::size_t>(written);
    }
}

void show_memory(int to, const Tracee &tracee, std::uint64_t address, std::uint64_t length) {
    std::vector<unsigned char> bytes(static_cast<std::size_t>(std::min(length, most_shown)));
    bytes.resize(read_memory(tracee.tid(), address, bytes.data(), bytes.size()));
    write_out(to, bytes.data(), bytes.size());
}

} // namespace

void Descriptors::follow(const Event &call) {
    const int fd = static_cast<int>(call.args[0]), result = static_cast<int>(call.result);
    auto copy = [&](int to) {
        if (const auto known = output.find(fd); known != output.end())
            output[to] = known->second;
        else
            output.erase(to);
    };
    switch (call.nr) {
    case SYS_dup:
        return copy(result);
#if defined(SYS_dup2)
    case SYS_dup2:
#endif
    case SYS_dup3:
        return copy(static_cast<int>(call.args[1]));
    case SYS_fcntl:
        if (call.args[1] == F_DUPFD || call.args[1] == F_DUPFD_CLOEXEC)
            copy(result);
        return;
    case SYS_close:
        output.erase(fd);
        return;
    case SYS_close_range:
        std::erase_if(output, [&](const auto &open) {
            const auto number = static_cast<unsigned>(open.first);
            return number >= static_cast<unsigned>(call.args[0]) && number <= static_cast<unsigned>(call.args[1]) &&
                   call.args[2] == 0;
        });
        return;
    default:
        return;
    }
}

void Echo::show(const Event &call, const Tracee &tracee, const Descriptors &descriptors) {
    if (!on_ || call.result <= 0 || call.seq < shown_until_)
        return;
    const auto known = descriptors.output.find(static_cast<int>(call.args[0]));
    if ((call.nr != SYS_write && call.nr != SYS_writev) || known == descriptors.output.end())
        return;
    const int to = known->second;
    shown_until_ = call.seq + 1;
    auto left = static_cast<std::uint64_t>(call.result);
    if (call.nr == SYS_write)
        return show_memory(to, tracee, call.args[1], left);
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(call.args[2], 1024) && left > 0; i++) {
        iovec piece{};
        if (read_memory(tracee.tid(), call.args[1] + i * sizeof piece, &piece, sizeof piece) != sizeof piece)
            return;
        const std::uint64_t length = std::min<std::uint64_t>(piece.iov_len, left);
        show_memory(to, tracee, reinterpret_cast<std::uint64_t>(piece.iov_base), length);
        left -= length;
    }
}

} // namespace retrograde
