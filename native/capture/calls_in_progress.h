// The calls that captured threads are in when a capture ends.
#pragma once

#include "config.h"

#include <vector>

namespace retrograde {

// ENTER events of the threads of the eBPF programs' map, without memory. Of a kernel that cannot tell, none.
//   legacy: the map is a hash by thread id, not task storage.
std::vector<rg_event> calls_in_progress(int threads_map, bool legacy);

} // namespace retrograde
