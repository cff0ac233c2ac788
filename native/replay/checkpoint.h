// A moment of a replay to come back to: copies of its processes, made by fork, that nobody runs.
#pragma once

#include "replay/session.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace retrograde {

class Checkpoint {
  public:
    ~Checkpoint(); // ends the copies
    Checkpoint(const Checkpoint &) = delete;
    std::uint64_t next_event() const { return next_; }

  private:
    friend class Session;
    Checkpoint() = default;

    struct Thread {
        Registers registers;
        std::vector<unsigned char> fp_registers;
        std::uint64_t tls;
        std::size_t space, descriptors; // indices
        Task facts;                     // its tracee tells which threads were one process
    };
    std::vector<Thread> threads_;
    std::vector<Tracee> copies_; // a process for each address space
    std::vector<std::shared_ptr<AddressSpace>> spaces_;
    std::vector<std::shared_ptr<Descriptors>> descriptors_;
    SharedMemory shared_;
    std::uint64_t next_ = 0, told_ = ~0ull, begun_ = ~0ull, passed_ = ~0ull;
    std::optional<Session::Early> early_; // where a place was passed by before
    Session::Matches match_;
    std::size_t moved_ = 0; // how many events had turned out to have other places
    std::uint8_t data_of_ = 0;
};

} // namespace retrograde
