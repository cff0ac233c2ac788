// What INFO tells of the processor, so that a replay elsewhere knows whether it can be the same.
#pragma once

#include "base/json.h"

namespace retrograde {

// Adds the member "cpu".
void write_cpu_facts(JsonWriter &json);

} // namespace retrograde
