#include "replay/file_contents.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

namespace retrograde {

namespace {

const std::string of_process = "process ";

std::string key_of(const Event &event) {
    if (event.args[0] == RG_WRITTEN_PROCESS)
        return of_process + std::to_string(static_cast<std::uint32_t>(event.args[1]));
    char device[32];
    std::snprintf(device, sizeof device, "%02" PRIx64 ":%02" PRIx64, event.args[1] >> 32, event.args[1] & 0xffffffff);
    return file_key(device, event.args[2]);
}

} // namespace

// A list of plain strings: no names with quotes or escapes are among them.
std::set<std::string> written_files(const std::string &end) {
    const std::string name = "\"written\":[";
    std::set<std::string> keys;
    std::size_t at = end.find(name);
    if (at == std::string::npos)
        return keys;
    at += name.size();
    const std::size_t last = std::min(end.find(']', at), end.size());
    while ((at = end.find('"', at)) < last) {
        const std::size_t close = std::min(end.find('"', at + 1), last);
        keys.insert("file " + end.substr(at + 1, close - at - 1));
        at = close + 1;
    }
    return keys;
}

void apply_written(const Event &event, SharedMemory &shared) {
    shared.receiver = key_of(event);
    const auto found = shared.by_key.find(shared.receiver);
    if (event.args[0] != RG_WRITTEN_FILE || found == shared.by_key.end())
        return;
    SharedObject &file = *found->second;
    if (file.size() != event.args[4])
        file.resize(event.args[4]);
    file.clear(event.args[3], event.args[5]);
}

std::optional<std::uint32_t> add_written(const Event &event, SharedMemory &shared) {
    if (shared.receiver.starts_with(of_process))
        return static_cast<std::uint32_t>(std::strtoul(shared.receiver.c_str() + of_process.size(), nullptr, 10));
    if (const auto found = shared.by_key.find(shared.receiver); found != shared.by_key.end())
        for (const Segment &segment : event.segments)
            if (segment.arg == RG_SEG_MEMORY)
                found->second->write(segment.address, segment.bytes);
    return std::nullopt;
}

} // namespace retrograde
