// Memory that recorded processes share, with each other or through a file: the replayer's own, in files without a name.
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace retrograde {

class SharedObject {
  public:
    explicit SharedObject(std::uint64_t size);

    std::uint64_t size() const { return size_; }
    int descriptor() const { return file_.get(); }
    // Of the file in the memory map of a process that has mapped it: "retrograde-shared-7".
    const std::string &name() const { return name_; }
    // Where a replayed process can open it: "/proc/123/fd/9".
    std::string path() const;

    void grow(std::uint64_t size);
    void resize(std::uint64_t size);
    void fill_from(int file);
    std::shared_ptr<SharedObject> copy() const;

  private:
    UniqueFd file_;
    std::string name_;
    std::uint64_t size_ = 0;
};

// The objects of a replay, by what they stand for: "file 8:1 1234", "shm 5", or by their names.
struct SharedMemory {
    std::map<std::string, std::shared_ptr<SharedObject>> by_key, by_name;

    // Finds or makes it, of at least this size. An empty key is always a new one.
    std::shared_ptr<SharedObject> get(const std::string &key, std::uint64_t size);
    // Finds it or makes it a copy of a file, of its size.
    std::shared_ptr<SharedObject> get_file(const std::string &key, int folder, const std::string &name);
    // A copy in which nothing is shared with this one; `renamed` gets the new object for each old name.
    SharedMemory copy(std::map<std::string, std::shared_ptr<SharedObject>> &renamed) const;
};

} // namespace retrograde
