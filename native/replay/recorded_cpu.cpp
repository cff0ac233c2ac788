#include "replay/recorded_cpu.h"

#include "base/unique_fd.h"
#include "code/instruction_finder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#if defined(__x86_64__)
#include <asm/sigcontext.h>
#include <ucontext.h>
#endif

namespace retrograde {

namespace {

std::string_view recorded_answers(const std::string &info) {
    const std::string name = "\"cpuid\":";
    std::size_t at = info.find(name);
    if (at == std::string::npos || (at = info.find('"', at + name.size())) == std::string::npos)
        return {};
    const std::size_t end = std::min(info.find('"', at + 1), info.size());
    return std::string_view(info).substr(at + 1, end - at - 1);
}

} // namespace

RecordedCpu::RecordedCpu(const std::string &info) : here_(CpuidTable::here()), answers_(recorded_answers(info)) {
    if (answers_.tells_same(here_))
        answers_ = {};
}

#if defined(__x86_64__)

namespace {

constexpr std::array<unsigned char, 2> cpuid{0x0f, 0xa2}, invalid{0x0f, 0x0b};

const WantedInstruction wanted{
    cpuid, 0, [](std::span<const unsigned char> code) {
        return code.size() >= cpuid.size() && std::equal(cpuid.begin(), cpuid.end(), code.begin()) ? cpuid.size() : 0;
    }};

} // namespace

void RecordedCpu::patch(Tracee &tracee, const Mapping &mapping, int images) {
    if (answers_.is_empty() || !(mapping.protection() & PROT_EXEC) || mapping.is_shared())
        return;
    const std::uint64_t end = mapping.offset + (mapping.end - mapping.start);
    const auto [known, is_new] = known_.try_emplace({mapping.image, mapping.offset, end});
    if (is_new) {
        const UniqueFd file(::openat(images, mapping.image.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat status {};
        if (file && ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode))
            known->second = find_instructions(file.get(), mapping.offset, end, wanted).certain;
    }
    for (const std::uint64_t offset : known->second) {
        const std::uint64_t address = mapping.start + (offset - 1 - mapping.offset);
        if (write_code(tracee, address, invalid.data(), invalid.size()) == invalid.size())
            patched_.insert(address);
    }
}

// The area of XSAVE in its standard format: what came first of all, a header, and the components, each where leaf 0xd
// of cpuid says (Intel SDM volume 1, 13.4).
std::vector<unsigned char> RecordedCpu::converted(std::span<const unsigned char> recorded,
                                                  std::vector<unsigned char> here) const {
    constexpr std::uint32_t state = 0xd, first = 2, last = 62;
    constexpr std::size_t legacy = 464, mask_here = 464, header = 512, components = 576; // bytes from the beginning
    if (recorded.size() < components || here.size() < components)
        return here;
    std::uint64_t in_use, known;
    std::memcpy(&in_use, recorded.data() + header, sizeof in_use);
    std::memcpy(&known, here.data() + mask_here, sizeof known); // Linux keeps XCR0 there
    in_use &= known;
    std::copy_n(recorded.begin(), legacy, here.begin());
    std::memcpy(here.data() + header, &in_use, sizeof in_use);
    for (std::uint32_t part = first; part <= last; part++) {
        const CpuidAnswer from = answers_.answer(state, part), to = here_.answer(state, part);
        const std::uint64_t size = std::min(from.eax, to.eax);
        if (in_use >> part & 1 && from.ebx + size <= recorded.size() && to.ebx + size <= here.size())
            std::copy_n(recorded.begin() + from.ebx, size, here.begin() + to.ebx);
    }
    return here;
}

void RecordedCpu::set_fp_registers(Tracee &tracee, std::span<const unsigned char> recorded) const {
    if (answers_.is_empty())
        tracee.set_fp_registers(recorded);
    else
        tracee.set_fp_registers(converted(recorded, tracee.fp_registers()));
}

std::vector<unsigned char> RecordedCpu::fp_registers_of_frame(Tracee &tracee) const {
    constexpr std::size_t software = 464; // struct _fpx_sw_bytes in the area (arch/x86/include/uapi/asm/sigcontext.h)
    const std::uint64_t context = tracee.registers().sp(), limit = 1 << 16;
    std::uint64_t area = 0;
    struct {
        std::uint32_t magic, extended_size;
        std::uint64_t features;
        std::uint32_t size;
    } told{};
    if (answers_.is_empty() ||
        read_memory(tracee.tid(), context + offsetof(ucontext_t, uc_mcontext.fpregs), &area, sizeof area) !=
            sizeof area ||
        area == 0 || read_memory(tracee.tid(), area + software, &told, sizeof told) != sizeof told ||
        told.magic != FP_XSTATE_MAGIC1 || told.size > limit)
        return {};
    std::vector<unsigned char> bytes(told.size);
    bytes.resize(read_memory(tracee.tid(), area, bytes.data(), bytes.size()));
    return bytes;
}

bool RecordedCpu::carry_out(Tracee &tracee) const {
    Registers registers = tracee.registers();
    std::array<unsigned char, invalid.size()> code{};
    if (!patched_.contains(registers.pc()) ||
        read_memory(tracee.tid(), registers.pc(), code.data(), code.size()) != code.size() || code != invalid)
        return false;
    const CpuidAnswer answer =
        answers_.answer(static_cast<std::uint32_t>(registers.raw.rax), static_cast<std::uint32_t>(registers.raw.rcx));
    registers.raw.rax = answer.eax;
    registers.raw.rbx = answer.ebx;
    registers.raw.rcx = answer.ecx;
    registers.raw.rdx = answer.edx;
    registers.set_pc(registers.pc() + code.size());
    tracee.set_registers(registers);
    return true;
}

#else

void RecordedCpu::patch(Tracee &, const Mapping &, int) {}
void RecordedCpu::set_fp_registers(Tracee &tracee, std::span<const unsigned char> recorded) const {
    tracee.set_fp_registers(recorded);
}
std::vector<unsigned char> RecordedCpu::fp_registers_of_frame(Tracee &) const {
    return {};
}
bool RecordedCpu::carry_out(Tracee &) const {
    return false;
}

#endif

} // namespace retrograde
