#include "oracle/snapshot.h"

#include "base/unique_fd.h"
#include "capture/call_memory.h"
#include "capture/process_facts.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sstream>
#include <utility>

namespace retrograde::oracle {

namespace {

constexpr std::uint64_t page_bytes = 4096;
// Compared at once: little enough that malloc keeps the buffers from one call to the next.
constexpr std::uint64_t chunk_bytes = 1 << 16;
constexpr std::uint64_t pagemap_entries = 1 << 11; // read at once
constexpr std::uint64_t has_content = 3ull << 62;  // present, swapped (Documentation/admin-guide/mm/pagemap.rst)

// Visits the runs of pages that have content or, with `present` false, of those that have none.
template <typename Visitor> void visit_pages(int pagemap, const Mapping &mapping, bool present, Visitor visit) {
    std::vector<std::uint64_t> entries(
        std::min<std::uint64_t>(pagemap_entries, (mapping.end - mapping.start) / page_bytes));
    std::uint64_t run = 0, at = mapping.start;
    while (at < mapping.end) {
        const std::uint64_t wanted = std::min<std::uint64_t>(entries.size(), (mapping.end - at) / page_bytes);
        const ssize_t got = ::pread(pagemap, entries.data(), wanted * 8, static_cast<off_t>(at / page_bytes * 8));
        if (got <= 0)
            break;
        for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(got) / 8; i++, at += page_bytes) {
            const bool counts = ((entries[i] & has_content) != 0) == present;
            if (counts && run == 0)
                run = at;
            if (!counts && run != 0)
                visit(std::exchange(run, 0), at);
        }
    }
    if (run != 0)
        visit(run, at);
}

UniqueFd open_pagemap(pid_t pid) {
    return UniqueFd(::open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
}

// Reports the runs in which `now` differs from `before`.
template <typename Visitor>
void visit_differences(const unsigned char *before, const unsigned char *now, std::uint64_t length, Visitor visit) {
    for (std::uint64_t page = 0; page < length; page += page_bytes) {
        const std::uint64_t end = std::min(page + page_bytes, length);
        if (std::memcmp(before + page, now + page, end - page) == 0)
            continue;
        for (std::uint64_t i = page; i < end; i++) {
            const std::uint64_t start = i;
            while (i < end && before[i] != now[i])
                i++;
            if (i > start)
                visit(start, i - start);
        }
    }
}

} // namespace

std::vector<Mapping> writable_mappings(pid_t pid) {
    std::vector<Mapping> mappings;
    std::istringstream lines(read_proc_file(pid, "maps", 64 << 20));
    for (std::string line; std::getline(lines, line);) {
        std::uint64_t start, end, inode;
        char rights[5];
        int name = 0;
        if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %*x %*s %" SCNu64 " %n", &start, &end, rights,
                        &inode, &name) < 4)
            continue;
        if (rights[0] != 'r' || rights[1] != 'w')
            continue;
        // The ring of io_setup, which the table calls unsupported: the kernel writes it at any time.
        if (line.compare(static_cast<std::size_t>(name), 6, "/[aio]") == 0)
            continue;
        mappings.push_back({start, end, rights[3] == 's', inode == 0 && rights[3] == 'p', line.substr(name)});
    }
    return mappings;
}

void MemorySnapshot::drop() {
    mappings_.clear();
    pieces_.clear();
    bytes_.clear();
}

void MemorySnapshot::take(pid_t pid, bool with_shared) {
    drop();
    const ProcessMemory memory(pid);
    const UniqueFd pagemap = open_pagemap(pid);
    mappings_ = writable_mappings(pid);
    std::erase_if(mappings_, [&](const Mapping &mapping) { return mapping.shared && !with_shared; });
    for (std::size_t i = 0; i < mappings_.size(); i++) {
        auto copy = [&](std::uint64_t start, std::uint64_t end) {
            const std::uint64_t offset = bytes_.size();
            bytes_.resize(offset + (end - start));
            const std::uint64_t got = memory.read(start, bytes_.data() + offset, end - start);
            bytes_.resize(offset + got);
            if (got > 0)
                pieces_.push_back({start, got, offset, i});
        };
        if (mappings_[i].anonymous)
            visit_pages(pagemap.get(), mappings_[i], true, copy);
        else
            copy(mappings_[i].start, mappings_[i].end);
    }
}

std::uint64_t MemorySnapshot::compare(pid_t pid, const ChangeHandler &changed) const {
    const ProcessMemory memory(pid);
    const UniqueFd pagemap = open_pagemap(pid);
    const std::vector<Mapping> now = writable_mappings(pid);
    std::vector<unsigned char> buffer(chunk_bytes);
    const std::vector<unsigned char> zeros(chunk_bytes);
    std::uint64_t compared = 0;

    // Compares what is both in [start, end) and still in a mapping of the same name.
    auto compare_range = [&](std::uint64_t start, std::uint64_t end, const unsigned char *before,
                             const Mapping &mapping) {
        for (const Mapping &current : now) {
            const std::uint64_t from = std::max(start, current.start), to = std::min(end, current.end);
            if (from >= to || current.name != mapping.name)
                continue;
            for (std::uint64_t at = from; at < to;) {
                const std::uint64_t got = memory.read(at, buffer.data(), std::min(chunk_bytes, to - at));
                if (got == 0)
                    break;
                visit_differences(
                    before ? before + (at - start) : zeros.data(), buffer.data(), got,
                    [&](std::uint64_t offset, std::uint64_t length) { changed(at + offset, length, mapping); });
                at += got;
                compared += got;
            }
        }
    };
    for (const Piece &piece : pieces_)
        compare_range(piece.address, piece.address + piece.length, bytes_.data() + piece.offset,
                      mappings_[piece.mapping]);

    // Anonymous pages that have come into being since: they were zero.
    for (std::size_t i = 0; i < mappings_.size(); i++) {
        if (!mappings_[i].anonymous)
            continue;
        visit_pages(pagemap.get(), mappings_[i], true, [&](std::uint64_t start, std::uint64_t end) {
            for (const Piece &piece : pieces_) { // in order of address
                if (piece.mapping != i || piece.address + piece.length <= start)
                    continue;
                if (piece.address >= end)
                    break;
                if (piece.address > start)
                    compare_range(start, piece.address, nullptr, mappings_[i]);
                start = std::max(start, piece.address + piece.length);
            }
            if (start < end)
                compare_range(start, end, nullptr, mappings_[i]);
        });
    }
    return compared;
}

} // namespace retrograde::oracle
