// What /proc shows of the processes that are about to be captured: the SNAPSHOT block.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// Payload of a SNAPSHOT block: the files and links of these processes, and who their ancestors are. Processes that
// end meanwhile are left out.
std::string take_snapshot(const std::vector<pid_t> &pids);

// These processes, and those that descend from them.
std::vector<pid_t> with_descendants(const std::vector<pid_t> &pids);

// Every process there is.
std::vector<pid_t> all_pids();

} // namespace retrograde
