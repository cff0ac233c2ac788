// Answers cpuid as the processor did on which a recording was made, where this one answers otherwise: cpuid in the code
// of mapped files is made an invalid instruction (ud2), and carried out for the thread that comes to it.
#pragma once

#include "code/cpuid_table.h"
#include "replay/maps.h"
#include "replay/tracee.h"

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace retrograde {

class RecordedCpu {
  public:
    // `info`: the text of the recording's INFO block.
    explicit RecordedCpu(const std::string &info);

    // An image has been mapped, which lies in this folder.
    void patch(Tracee &tracee, const Mapping &mapping, int images);

    // Gives a thread recorded floating-point and vector registers (NT_X86_XSTATE, NT_PRFPREG). Those that this
    // processor does not have are left out: requirements see to it that no program needs them. Throws Failure.
    void set_fp_registers(Tracee &tracee, std::span<const unsigned char> recorded) const;

    // Those of the frame that a signal handler, which is about to return, has on its stack; nothing where it returns
    // to them by itself, since processor and kernel find them in the form that they know.
    std::vector<unsigned char> fp_registers_of_frame(Tracee &tracee) const;

    // A thread has stopped for an invalid instruction. Returns whether that was cpuid, and has been carried out.
    bool carry_out(Tracee &tracee) const;

  private:
    std::vector<unsigned char> converted(std::span<const unsigned char> recorded,
                                         std::vector<unsigned char> here) const;

    CpuidTable here_;    // this processor's
    CpuidTable answers_; // empty where this processor's are the same
    std::map<std::tuple<std::string, std::uint64_t, std::uint64_t>, std::vector<std::uint64_t>> known_; // by image
    std::set<std::uint64_t> patched_; // addresses of instructions
};

// The recording's images, and who looks at the code in them.
struct RecordedImages {
    int folder;
    RecordedCpu &cpu;
};

} // namespace retrograde
