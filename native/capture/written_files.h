// What calls change in files that are mapped, and in processes through /proc/PID/mem: rows of the kind WRITTEN.
#pragma once

#include "capture/event_writer.h"
#include "capture/memory_map.h"
#include "config.h"

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

struct stat;

namespace retrograde {

// Where a call that may change a file has its descriptor.
rg_changes changes_of(int nr);

class WrittenFiles {
  public:
    explicit WrittenFiles(EventWriter &writer) : writer_(writer) {}

    // A file has been mapped; `status` is what stat(2) says of it.
    void mapped(const Mapping &mapping, const struct stat &status);
    // The same file as a process has it open: some file systems say something else of it then.
    void mapped(const Mapping &mapping, pid_t tid, std::uint64_t fd);

    // Whether a program could store into the file through memory, which its times do not tell.
    bool may_be_stored_to(const Mapping &mapping) const;

    // Writes the row of what a call has changed, if it is to be recorded; its thread is stopped behind the call.
    void write_changes(const rg_event &call);

    // The files whose content comes from more than their images, as a line of MAPS tells device and inode: mapped
    // shared, or written while mapped.
    std::vector<std::string> changing() const;

  private:
    struct File {
        std::uint32_t major = 0, minor = 0;
        std::uint64_t inode = 0, size = 0;
        bool is_shared = false, is_stored_to = false, is_written = false;
    };
    struct Range {
        std::uint64_t offset = 0, length = 0;
        bool from_buffer = false; // the call's own memory holds the bytes
    };
    using Key = std::string;
    static Key key_of(const Mapping &mapping);
    static bool find_range(const rg_event &call, std::uint64_t size, std::uint64_t size_before, Range &range);
    void write_file_row(const rg_event &call, File &file, const std::string &path, std::uint64_t size);
    void write_process_row(const rg_event &call, pid_t process);

    EventWriter &writer_;
    std::map<Key, File> files_;
    std::map<std::pair<dev_t, ino_t>, Key> keys_;
    std::vector<unsigned char> buffer_, bytes_;
};

} // namespace retrograde
