// What is written to files while replayed processes have them mapped: the events WRITTEN.
#pragma once

#include "recording/event_block.h"
#include "replay/shared_memory.h"

#include <optional>
#include <set>
#include <string>

namespace retrograde {

// The keys of the files that a recording's END block names as "written".
std::set<std::string> written_files(const std::string &end);

// Carries out such an event of a file; one that no process has mapped is left as it is.
void apply_written(const Event &event, SharedMemory &shared);

// The bytes of an event WRITTEN or of a row DATA behind it. Returns the process whose memory they are instead.
std::optional<std::uint32_t> add_written(const Event &event, SharedMemory &shared);

} // namespace retrograde
