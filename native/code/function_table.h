// Where the functions of an executable file lie: by the search table that unwinders use, .eh_frame_hdr, or where there
// is none, as in static programs, by what it is made from, .eh_frame (Linux Standard Base 5.0, Core, 10.6). Stripping
// leaves both.
#pragma once

#include <cstdint>
#include <elf.h>
#include <optional>
#include <vector>

namespace retrograde {

struct FileRange {
    std::uint64_t start, end; // bytes from the file's beginning
};

class FunctionTable {
  public:
    // Reads that of a 64-bit ELF file, which may be anything: what makes no sense is no table.
    explicit FunctionTable(int file);

    // The function that a place of the file is in; nothing where it is in none.
    std::optional<FileRange> function_at(std::uint64_t offset) const;

  private:
    struct Entry {
        std::int32_t start, description; // relative to the table
    };
    struct Function {
        std::uint64_t start, size; // addresses
    };
    void read_search_table(const Elf64_Phdr &segment);
    void read_frames(const Elf64_Ehdr &header);
    void add_frames(const std::vector<unsigned char> &frames, std::uint64_t address);
    std::optional<FileRange> range_of(std::uint64_t start, std::uint64_t size, std::uint64_t offset) const;
    std::optional<std::uint64_t> offset_of(std::uint64_t address) const;
    std::optional<std::uint64_t> address_of(std::uint64_t offset) const;

    int file_;
    std::uint64_t base_ = 0; // address of the table
    std::vector<Elf64_Phdr> loaded_;
    std::vector<Entry> entries_;      // by start
    std::vector<Function> functions_; // by start
};

} // namespace retrograde
