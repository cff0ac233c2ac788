// Instructions that ask the processor what a recording cannot tell otherwise (the time stamp counter): they trap, and
// the capture carries them out in the thread's stead.
#pragma once

#include "capture/wire_record.h"

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

// A thread has stopped before the delivery of a signal. Where it is the trap of such an instruction, carries it out and
// returns its TRAP row: the signal is to be dropped then.
std::optional<WireRecord> carry_out_trapped(pid_t tid, int signal);

} // namespace retrograde
