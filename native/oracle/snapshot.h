// A copy of the writable memory of a stopped process, and what has changed since.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde::oracle {

struct Mapping {
    std::uint64_t start, end;
    bool shared, anonymous;
    std::string name;
};

// The writable mappings of a process.
std::vector<Mapping> writable_mappings(pid_t pid);

class MemorySnapshot {
  public:
    // Copies every page that the process has in its writable mappings; an anonymous page that it has not touched yet
    // is known to be zero.
    void take(pid_t pid, bool with_shared);

    // Calls `changed` for each run of bytes of `pid` (the process, or a fork of it) that differs from the copy, where
    // the mapping is still the same. Returns how many bytes were compared.
    using ChangeHandler = std::function<void(std::uint64_t address, std::uint64_t length, const Mapping &mapping)>;
    std::uint64_t compare(pid_t pid, const ChangeHandler &changed) const;

    std::uint64_t size() const { return bytes_.size(); }
    bool taken() const { return !mappings_.empty(); }
    void drop();

  private:
    struct Piece { // of consecutive pages
        std::uint64_t address, length, offset;
        std::size_t mapping;
    };
    std::vector<Mapping> mappings_;
    std::vector<Piece> pieces_;
    std::vector<unsigned char> bytes_;
};

} // namespace retrograde::oracle
