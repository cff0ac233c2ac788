// What INFO tells of the processor, so that a replay elsewhere knows whether it can be the same.
#pragma once

#include "base/json.h"

namespace retrograde {

// Adds the member "cpu".
//   cpu: the number of the CPU whose answers to cpuid are told; -1 for any.
void write_cpu_facts(JsonWriter &json, int cpu);

} // namespace retrograde
