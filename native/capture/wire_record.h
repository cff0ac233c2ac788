// Puts a record together in wire form, for an event whose row is written later.
#pragma once

#include "wire.h"

#include <cstdint>
#include <span>
#include <sys/types.h>
#include <vector>

namespace retrograde {

using WireRecord = std::vector<unsigned char>;

inline const rg_event &wire_event(const WireRecord &record) {
    return *reinterpret_cast<const rg_event *>(record.data());
}

// An event without arguments that happens at a moment.
rg_event make_event(rg_kind kind, int nr, pid_t pid, pid_t tid, std::uint64_t time);

class WireRecordBuilder {
  public:
    explicit WireRecordBuilder(const rg_event &header) : header_(header) {}

    // Empty memory is left out.
    void add(unsigned arg, unsigned flags, std::uint64_t address, std::span<const unsigned char> bytes);

    WireRecord take();

  private:
    rg_event header_;
    WireRecord segments_;
};

} // namespace retrograde
