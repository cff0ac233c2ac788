// The content of mapped files, each kept once in the recording's folder `images`, named by its hash.
#pragma once

#include "base/unique_fd.h"
#include "capture/memory_map.h"

#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <tuple>

struct stat;

namespace retrograde {

class Images {
  public:
    // Without a folder (a block stream to a pipe) there are no images.
    explicit Images(const std::string &recording_folder);

    // The name of the image of the file that is mapped there, which is made if it is not there yet. Empty where the
    // file has none: it is no regular file, too large, or can't be read. Throws Failure where it can't be written.
    //   trust_times: whether content with the times of an image that was made before is taken for that.
    std::string of(pid_t pid, const Mapping &mapping, bool trust_times);

  private:
    // Equal values: the same content (as make(1) and git(1) trust, too).
    using Key =
        std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
    std::string store(int file);

    std::string folder_;
    bool made_ = false;
    std::map<Key, std::string> known_;
};

// The regular file that is mapped there; invalid where it is another kind of file or can't be had. A device is not
// opened: that could have effects.
UniqueFd open_mapped_file(pid_t pid, const Mapping &mapping);

// Whether that file belongs to an overlay file system, as those of containers do.
bool is_on_overlay(pid_t pid, const Mapping &mapping);

// What stat(2) says of the mapped file, without opening it. False where it can't be had.
bool stat_mapped_file(pid_t pid, const Mapping &mapping, struct stat &status);

} // namespace retrograde
