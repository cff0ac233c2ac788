#include "code/function_table.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <string>
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
    if (found != segments.end())
        read_search_table(*found);
    else
        read_frames(header);
}

void FunctionTable::read_search_table(const Elf64_Phdr &segment) {
    struct {
        unsigned char version, frames_encoding, count_encoding, table_encoding;
        std::int32_t frames;
        std::uint32_t count;
    } table{};
    // What every linker writes: DW_EH_PE_udata4 for the count, DW_EH_PE_datarel | DW_EH_PE_sdata4 for the table.
    constexpr unsigned char version = 1, of_count = 0x03, of_table = 0x3b;
    if (!get(file_, segment.p_offset, &table, 1) || table.version != version || table.count_encoding != of_count ||
        table.table_encoding != of_table || table.count > segment.p_filesz / sizeof(Entry))
        return;
    base_ = segment.p_vaddr;
    entries_.resize(table.count);
    if (!get(file_, segment.p_offset + sizeof table, entries_.data(), entries_.size()) ||
        !std::is_sorted(entries_.begin(), entries_.end(),
                        [](const Entry &one, const Entry &other) { return one.start < other.start; }))
        entries_.clear();
}

void FunctionTable::read_frames(const Elf64_Ehdr &header) {
    constexpr std::uint64_t largest = 64 << 20;
    std::vector<Elf64_Shdr> sections(header.e_shentsize == sizeof(Elf64_Shdr) ? header.e_shnum : 0);
    if (header.e_shstrndx >= sections.size() || !get(file_, header.e_shoff, sections.data(), sections.size()))
        return;
    for (const Elf64_Shdr &section : sections) {
        char name[sizeof ".eh_frame"] = "";
        if (section.sh_type == SHT_NOBITS || section.sh_size > largest ||
            !get(file_, sections[header.e_shstrndx].sh_offset + section.sh_name, name, sizeof name) ||
            std::memcmp(name, ".eh_frame", sizeof name) != 0)
            continue;
        std::vector<unsigned char> frames(section.sh_size);
        if (get(file_, section.sh_offset, frames.data(), frames.size()))
            add_frames(frames, section.sh_addr);
        break; // there is one
    }
    std::sort(functions_.begin(), functions_.end(),
              [](const Function &one, const Function &other) { return one.start < other.start; });
}

namespace {

// Numbers of DWARF, one behind the other.
class Reader {
  public:
    Reader(const std::vector<unsigned char> &bytes, std::size_t at, std::size_t end)
        : bytes_(bytes), at_(at), end_(std::min(end, bytes.size())) {}
    template <typename T> T get() {
        T value{};
        if (at_ + sizeof value > end_)
            at_ = end_;
        else
            std::memcpy(&value, bytes_.data() + at_, sizeof value), at_ += sizeof value;
        return value;
    }
    void skip_leb() {
        while (get<unsigned char>() & 0x80) {
        }
    }
    void skip(std::size_t count) { at_ = std::min(end_, at_ + count); }
    std::string text() {
        std::string text;
        while (const char next = get<char>())
            text += next;
        return text;
    }

  private:
    const std::vector<unsigned char> &bytes_;
    std::size_t at_, end_;
};

// How the frame descriptions of a common information entry tell addresses.
unsigned char encoding_of(Reader entry) {
    const auto version = entry.get<unsigned char>();
    const std::string augmentation = entry.text();
    if (!augmentation.starts_with('z'))
        return 0;
    entry.skip_leb(); // alignment of code, and of data
    entry.skip_leb();
    if (version == 1)
        entry.skip(1); // the register with the return address
    else
        entry.skip_leb();
    entry.skip_leb(); // the augmentation's length
    for (const char what : augmentation.substr(1)) {
        if (what == 'R')
            return entry.get<unsigned char>();
        if (what == 'L')
            entry.skip(1);
        if (what == 'P') { // a pointer to the personality
            constexpr unsigned char size_mask = 0x07, four_bytes = 0x03;
            const bool is_four = (entry.get<unsigned char>() & size_mask) == four_bytes;
            entry.skip(is_four ? 4 : 8);
        }
    }
    return 0;
}

} // namespace

void FunctionTable::add_frames(const std::vector<unsigned char> &frames, std::uint64_t address) {
    constexpr unsigned char relative_of_four_bytes = 0x1b; // DW_EH_PE_pcrel | DW_EH_PE_sdata4
    std::map<std::size_t, unsigned char> encodings;
    for (std::size_t at = 0; at + 16 <= frames.size();) {
        Reader entry(frames, at, frames.size());
        const auto length = entry.get<std::uint32_t>(), common = entry.get<std::uint32_t>();
        const std::size_t end = at + sizeof length + length;
        if (length == 0xffffffff || end > frames.size())
            return;
        if (length != 0 && common == 0) {
            encodings[at] = encoding_of(Reader(frames, at + 8, end));
        } else if (length != 0) {
            const auto found = encodings.find(at + sizeof length - common);
            const auto start = entry.get<std::int32_t>();
            const auto size = entry.get<std::uint32_t>();
            if (found != encodings.end() && found->second == relative_of_four_bytes)
                functions_.push_back({address + at + 8 + static_cast<std::uint64_t>(std::int64_t{start}), size});
        }
        at = end;
    }
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

// The function, where the place is in it.
std::optional<FileRange> FunctionTable::range_of(std::uint64_t start, std::uint64_t size, std::uint64_t offset) const {
    const std::optional<std::uint64_t> first = offset_of(start);
    if (!first || offset < *first || offset - *first >= size)
        return std::nullopt;
    return FileRange{*first, *first + size};
}

std::optional<FileRange> FunctionTable::function_at(std::uint64_t offset) const {
    const std::optional<std::uint64_t> address = address_of(offset);
    if (!address)
        return std::nullopt;
    if (const auto next = std::upper_bound(functions_.begin(), functions_.end(), *address,
                                           [](std::uint64_t at, const Function &other) { return at < other.start; });
        next != functions_.begin())
        return range_of((next - 1)->start, (next - 1)->size, offset);
    const auto relative = static_cast<std::int64_t>(*address - base_);
    const auto next = std::upper_bound(entries_.begin(), entries_.end(), relative,
                                       [](std::int64_t place, const Entry &other) { return place < other.start; });
    if (next == entries_.begin())
        return std::nullopt;
    const Entry &entry = *(next - 1);
    // A frame description entry: its length, its common information, where the function begins, and how long it is.
    // Where the table has four bytes for an address, linkers have found that there.
    struct {
        std::uint32_t length, common;
        std::int32_t start;
        std::uint32_t size;
    } description{};
    const auto at = offset_of(base_ + static_cast<std::uint64_t>(std::int64_t{entry.description}));
    if (!at || !get(file_, *at, &description, 1))
        return std::nullopt;
    return range_of(base_ + static_cast<std::uint64_t>(std::int64_t{entry.start}), description.size, offset);
}

} // namespace retrograde
