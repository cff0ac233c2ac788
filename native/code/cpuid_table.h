// What cpuid answers on a processor of x86-64, all of it: a replay on another one can answer in its stead. Elsewhere it
// is empty.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace retrograde {

struct CpuidAnswer {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    bool operator==(const CpuidAnswer &) const = default;
};

class CpuidTable {
  public:
    CpuidTable() = default;
    // Reads what text() has written. What is no part of such a text is left out.
    explicit CpuidTable(std::string_view text);
    // Of the processor that this runs on.
    static CpuidTable here();

    // leaf, subleaf, eax, ebx, ecx, edx in hexadecimal, with a semicolon behind each.
    std::string text() const;
    bool is_empty() const { return answers_.empty(); }

    CpuidAnswer answer(std::uint32_t leaf, std::uint32_t subleaf) const;
    // Whether programs learn the same from both, but for the number of the CPU that they run on.
    bool tells_same(const CpuidTable &other) const;

  private:
    void ask(std::uint32_t leaf);

    std::map<std::pair<std::uint32_t, std::uint32_t>, CpuidAnswer> answers_;
};

} // namespace retrograde
