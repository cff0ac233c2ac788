#include "capture/irregular_memory.h"

namespace retrograde {

void visit_irregular_memory(const ProcessMemory &, const rg_event &, const RangeVisitor &) {}

} // namespace retrograde
