// Instructions that ask the processor what a recording cannot tell otherwise (the time stamp counter): they trap, and
// the capture carries them out in the thread's stead.
#pragma once

#include "capture/registers.h"
#include "wire.h"

#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace retrograde {

// The fifth argument of our own prctl(PR_SET_TSC), which the kernel does not look at.
inline constexpr std::uint64_t our_prctl = 0x52475452;

// In a command's process, before its exec: makes them trap, in it and all its descendants, as far as the kernel can.
void trap_instructions();

// Undoes that for a thread in a ptrace-stop, which is to go on without us.
void stop_trapping(pid_t tid);

// A stopped thread, which has these registers, has come to such an instruction: changes them as the instruction would,
// and returns which it was; nothing where it was none.
std::optional<rg_trap> carry_out_counter(pid_t tid, GeneralRegisters &registers);

// What rdtscp and rdpid tell a thread that runs on one CPU alone: its number, and that of the node above it.
unsigned processor_number(pid_t tid);

} // namespace retrograde
