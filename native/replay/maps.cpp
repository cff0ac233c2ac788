#include "replay/maps.h"

#include "base/failure.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>
#include <sys/mman.h>

namespace retrograde {

namespace {

[[noreturn]] void no_mapping(std::string_view line) {
    throw Failure("the recording is damaged: '" + std::string(line.substr(0, 100)) + "' is no mapping");
}

// Takes a word, and the spaces behind it.
std::string_view take_word(std::string_view &rest) {
    const std::size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.find_first_not_of(' ', end), rest.size()));
    return word;
}

std::uint64_t number(std::string_view text, int base, std::string_view line) {
    const std::string copy(text);
    char *end = nullptr;
    const std::uint64_t value = std::strtoull(copy.c_str(), &end, base);
    if (copy.empty() || *end != 0)
        no_mapping(line);
    return value;
}

bool is_image_name(std::string_view name) {
    return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Mapping parse_line(std::string_view line) {
    std::string_view rest = line;
    const std::string_view range = take_word(rest), permissions = take_word(rest), offset = take_word(rest),
                           device = take_word(rest), inode = take_word(rest), image = take_word(rest);
    const std::size_t dash = range.find('-');
    if (dash == std::string_view::npos || permissions.size() != 4 || (image != "-" && !is_image_name(image)))
        no_mapping(line);
    Mapping mapping{};
    mapping.start = number(range.substr(0, dash), 16, line);
    mapping.end = number(range.substr(dash + 1), 16, line);
    mapping.permissions = permissions;
    mapping.offset = number(offset, 16, line);
    mapping.device = device;
    mapping.inode = number(inode, 10, line);
    mapping.image = image == "-" ? std::string_view() : image;
    mapping.path = rest;
    constexpr std::uint64_t page_mask = 0xfff;
    if (mapping.start >= mapping.end || ((mapping.start | mapping.end | mapping.offset) & page_mask))
        no_mapping(line);
    return mapping;
}

} // namespace

int Mapping::protection() const {
    return (permissions[0] == 'r' ? PROT_READ : 0) | (permissions[1] == 'w' ? PROT_WRITE : 0) |
           (permissions[2] == 'x' ? PROT_EXEC : 0);
}

std::vector<Mapping> parse_maps(std::span<const unsigned char> text) {
    std::vector<Mapping> mappings;
    std::string_view rest(reinterpret_cast<const char *>(text.data()), text.size());
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        if (end > 0)
            mappings.push_back(parse_line(rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return mappings;
}

std::vector<Mapping> current_maps(pid_t tid) {
    std::ifstream maps("/proc/" + std::to_string(tid) + "/maps");
    std::vector<Mapping> mappings;
    for (std::string line; std::getline(maps, line);) {
        unsigned long start = 0, end = 0, offset = 0, inode = 0;
        char permissions[8] = "", device[16] = "";
        int path_at = 0;
        if (std::sscanf(line.c_str(), "%lx-%lx %7s %lx %15s %lu %n", &start, &end, permissions, &offset, device, &inode,
                        &path_at) < 6)
            continue;
        const std::string path = path_at > 0 ? line.substr(static_cast<std::size_t>(path_at)) : "";
        mappings.push_back({start, end, permissions, offset, device, inode, "", path});
    }
    return mappings;
}

} // namespace retrograde
