#include "code/cpuid_table.h"

#include <algorithm>
#include <array>
#include <cstdio>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace retrograde {

namespace {

// Leaves (Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E).
constexpr std::uint32_t features = 1, topology = 0xb, state = 0xd, newer_topology = 0x1f, extended = 0x80000000,
                        core = 0x8000001e, extended_topology = 0x80000026;

// Whether a leaf has parts, by ecx.
bool has_subleaves(std::uint32_t leaf) {
    constexpr std::array<std::uint32_t, 21> known{4,          7,          topology,
                                                  state,      0xf,        0x10,
                                                  0x12,       0x14,       0x17,
                                                  0x18,       0x1a,       0x1b,
                                                  0x1d,       0x1e,       newer_topology,
                                                  0x20,       0x23,       0x24,
                                                  0x8000001d, 0x80000020, extended_topology};
    return std::find(known.begin(), known.end(), leaf) != known.end();
}

// Without the number of the CPU.
CpuidAnswer anywhere(std::uint32_t leaf, CpuidAnswer answer) {
    if (leaf == features)
        answer.ebx &= 0xffffff;
    if (leaf == topology || leaf == newer_topology || leaf == extended_topology)
        answer.edx = 0;
    if (leaf == core)
        answer = {};
    return answer;
}

} // namespace

CpuidTable::CpuidTable(std::string_view text) {
    constexpr std::size_t most = 4096;
    while (!text.empty() && answers_.size() < most) {
        const std::size_t end = std::min(text.find(';'), text.size());
        const std::string row(text.substr(0, end));
        std::uint32_t leaf, subleaf;
        CpuidAnswer answer;
        if (std::sscanf(row.c_str(), "%8x %8x %8x %8x %8x %8x", &leaf, &subleaf, &answer.eax, &answer.ebx, &answer.ecx,
                        &answer.edx) == 6)
            answers_[{leaf, subleaf}] = answer;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::string CpuidTable::text() const {
    std::string text;
    for (const auto &[place, answer] : answers_) {
        char row[64];
        std::snprintf(row, sizeof row, "%x %x %x %x %x %x;", place.first, place.second, answer.eax, answer.ebx,
                      answer.ecx, answer.edx);
        text += row;
    }
    return text;
}

#if defined(__x86_64__)

void CpuidTable::ask(std::uint32_t leaf) {
    constexpr std::uint32_t most = 64;
    for (std::uint32_t subleaf = 0; subleaf < (has_subleaves(leaf) ? most : 1); subleaf++) {
        CpuidAnswer answer;
        __cpuid_count(leaf, subleaf, answer.eax, answer.ebx, answer.ecx, answer.edx);
        const bool is_topology = leaf == topology || leaf == newer_topology || leaf == extended_topology;
        const bool is_nothing = is_topology ? (answer.ecx & 0xff00) == 0 : answer == CpuidAnswer{};
        if (subleaf == 0 || !is_nothing)
            answers_[{leaf, subleaf}] = answer;
        if (is_nothing && leaf != state && subleaf > 1) // the parts of the saved state are not one behind the other
            break;
    }
}

CpuidTable CpuidTable::here() {
    constexpr std::uint32_t hypervisor = 0x40000000, hypervisor_bit = 1u << 31, most_leaves = 0x100;
    CpuidTable table;
    auto ask_from = [&](std::uint32_t first) {
        table.ask(first);
        const std::uint32_t last = table.answers_[{first, 0}].eax;
        for (std::uint32_t leaf = first + 1; leaf <= last && leaf - first < most_leaves; leaf++)
            table.ask(leaf);
        return last;
    };
    const std::uint32_t last = ask_from(0);
    table.ask(last + 1); // what any leaf answers that there is not
    if (table.answers_[{features, 0}].ecx & hypervisor_bit)
        ask_from(hypervisor);
    ask_from(extended);
    return table;
}

#else

CpuidTable CpuidTable::here() {
    return {};
}

#endif

CpuidAnswer CpuidTable::answer(std::uint32_t leaf, std::uint32_t subleaf) const {
    if (const auto found = answers_.find({leaf, has_subleaves(leaf) ? subleaf : 0}); found != answers_.end())
        return found->second;
    if (answers_.contains({leaf, 0})) { // a part that there is not
        CpuidAnswer nothing;
        nothing.ecx = leaf == topology || leaf == newer_topology ? subleaf & 0xff : 0;
        return nothing;
    }
    const auto first = answers_.find({0, 0});
    const auto none = first == answers_.end() ? answers_.end() : answers_.find({first->second.eax + 1, 0});
    return none == answers_.end() ? CpuidAnswer{} : none->second;
}

bool CpuidTable::tells_same(const CpuidTable &other) const {
    return std::equal(answers_.begin(), answers_.end(), other.answers_.begin(), other.answers_.end(),
                      [](const auto &one, const auto &two) {
                          return one.first == two.first &&
                                 anywhere(one.first.first, one.second) == anywhere(two.first.first, two.second);
                      });
}

} // namespace retrograde
