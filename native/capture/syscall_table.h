// The generated syscall table of the architecture this program was built for.
#pragma once

#include "wire.h"

#include <span>
#include <string_view>

namespace retrograde {

struct VariantPlan {
    rg_variant_key key;
    rg_plan plan;
};

// Copy plans by number, RG_MAX_SYSCALLS of them, and those of calls whose memory depends on a command.
std::span<const rg_plan, RG_MAX_SYSCALLS> plans();
std::span<const VariantPlan> variant_plans();

// The plan of a call, its variant chosen by the command among its arguments; null for a number out of range.
const rg_plan *plan_for(int nr, const __u64 args[6]);

// Name of a call, or null; number of a call, or -1.
const char *syscall_name(int nr);
int syscall_number(std::string_view name);

} // namespace retrograde
