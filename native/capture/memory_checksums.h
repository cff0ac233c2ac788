// Checksums of the memory that a process has for itself, taken at intervals, for a replay to compare: rows of the kind
// CHECKSUM.
#pragma once

#include "capture/wire_record.h"

#include <cstdint>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// The rows of all anonymous pages that are there, those of private mappings of files that have been written to among
// them. Nobody who shares its memory may run meanwhile.
//   tid: whom the rows tell of, stopped at the end of a call.
std::vector<WireRecord> checksum_memory(pid_t pid, pid_t tid, std::uint64_t time);

} // namespace retrograde
