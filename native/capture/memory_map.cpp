#include "capture/memory_map.h"

#include "capture/process_facts.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace retrograde {

namespace {

constexpr std::size_t max_text = 64 << 20; // of a process with 65,530 mappings, the most by default: 8 MiB

bool parse(const std::string &line, Mapping &mapping) {
    char perms[5] = "";
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx32 ":%" SCNx32 " %" SCNu64 " %n",
                    &mapping.start, &mapping.end, perms, &mapping.offset, &mapping.major, &mapping.minor,
                    &mapping.inode, &path_at) != 7 ||
        perms[0] == 0 || perms[3] == 0)
        return false;
    mapping.perms = perms;
    mapping.whole_start = mapping.start;
    mapping.whole_end = mapping.end;
    mapping.path = line.substr(static_cast<std::size_t>(path_at));
    return true;
}

} // namespace

std::vector<Mapping> read_memory_map(pid_t pid) {
    const std::string text = read_proc_file(pid, "maps", max_text);
    std::vector<Mapping> map;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        Mapping mapping;
        if (parse(text.substr(at, end - at), mapping))
            map.push_back(std::move(mapping));
        at = end + 1;
    }
    return map;
}

std::vector<Mapping> cut_to(std::vector<Mapping> map, std::uint64_t start, std::uint64_t end) {
    std::erase_if(map, [=](const Mapping &mapping) { return mapping.end <= start || mapping.start >= end; });
    for (Mapping &mapping : map) {
        if (mapping.start < start) {
            mapping.offset += mapping.has_file() ? start - mapping.start : 0;
            mapping.start = start;
        }
        mapping.end = std::min(mapping.end, end);
    }
    return map;
}

std::string maps_line(const Mapping &mapping, const std::string &image) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers,
                  "%08" PRIx64 "-%08" PRIx64 " %s %08" PRIx64 " %02" PRIx32 ":%02" PRIx32 " %" PRIu64 " ",
                  mapping.start, mapping.end, mapping.perms.c_str(), mapping.offset, mapping.major, mapping.minor,
                  mapping.inode);
    return numbers + (image.empty() ? std::string("-") : image) + (mapping.path.empty() ? "" : " " + mapping.path) +
           "\n";
}

} // namespace retrograde
