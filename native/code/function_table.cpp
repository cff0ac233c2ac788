#include "code/function_table.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>

namespace retrograde {

namespace {

template <typename T> bool get(int file, std::uint64_t offset, T *values, std::size_t count) {
    const std::size_t length = count * sizeof(T);
    return ::pread(file, values, length, static_cast<off_t>(offset)) == static_cast<ssize_t>(length);
}

} // namespace

FunctionTable::FunctionTable(int file) : file_(file) {
    Elf64_Ehdr header{};
    if (!get(file, 0, &header, 1) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
        return;
    std::vector<Elf64_Phdr> segments(header.e_phnum);
    if (!get(file, header.e_phoff, segments.data(), segments.size()))
        return;
    std::copy_if(segments.begin(), segments.end(), std::back_inserter(loaded_),
                 [](const Elf64_Phdr &segment) { return segment.p_type == PT_LOAD; });
    const auto found = std::find_if(segments.begin(), segments.end(),
                                    [](const Elf64_Phdr &segment) { return segment.p_type == PT_GNU_EH_FRAME; });
    if (found == segments.end())
        return;
    struct {
        unsigned char version, frames_encoding, count_encoding, table_encoding;
        std::int32_t frames;
        std::uint32_t count;
    } table{};
    // What every linker writes: DW_EH_PE_udata4 for the count, DW_EH_PE_datarel | DW_EH_PE_sdata4 for the table.
    constexpr unsigned char version = 1, of_count = 0x03, of_table = 0x3b;
    if (!get(file, found->p_offset, &table, 1) || table.version != version || table.count_encoding != of_count ||
        table.table_encoding != of_table || table.count > found->p_filesz / sizeof(Entry))
        return;
    base_ = found->p_vaddr;
    entries_.resize(table.count);
    if (!get(file, found->p_offset + sizeof table, entries_.data(), entries_.size()) ||
        !std::is_sorted(entries_.begin(), entries_.end(),
                        [](const Entry &one, const Entry &other) { return one.start < other.start; }))
        entries_.clear();
}

std::optional<std::uint64_t> FunctionTable::offset_of(std::uint64_t address) const {
    for (const Elf64_Phdr &segment : loaded_)
        if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
            return segment.p_offset + (address - segment.p_vaddr);
    return std::nullopt;
}

std::optional<std::uint64_t> FunctionTable::address_of(std::uint64_t offset) const {
    for (const Elf64_Phdr &segment : loaded_)
        if (offset >= segment.p_offset && offset - segment.p_offset < segment.p_filesz)
            return segment.p_vaddr + (offset - segment.p_offset);
    return std::nullopt;
}

std::optional<FileRange> FunctionTable::function_at(std::uint64_t offset) const {
    const std::optional<std::uint64_t> address = address_of(offset);
    if (!address)
        return std::nullopt;
    const auto relative = static_cast<std::int64_t>(*address - base_);
    auto entry = std::upper_bound(entries_.begin(), entries_.end(), relative,
                                  [](std::int64_t place, const Entry &other) { return place < other.start; });
    if (entry == entries_.begin())
        return std::nullopt;
    --entry;
    // A frame description entry: its length, its common information, where the function begins, and how long it is.
    // Where the table has four bytes for an address, linkers have found that there.
    struct {
        std::uint32_t length, common;
        std::int32_t start;
        std::uint32_t size;
    } description{};
    const auto at = offset_of(base_ + static_cast<std::uint64_t>(std::int64_t{entry->description}));
    const auto start = offset_of(base_ + static_cast<std::uint64_t>(std::int64_t{entry->start}));
    if (!at || !start || !get(file_, *at, &description, 1) || offset < *start || offset - *start >= description.size)
        return std::nullopt;
    return FileRange{*start, *start + description.size};
}

} // namespace retrograde
