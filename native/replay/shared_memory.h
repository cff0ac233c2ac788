// Memory that recorded processes share, with each other or through a file: the replayer's own, in files without a name.
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

namespace retrograde {

// Of a file, as a line of MAPS tells it; empty where there is none.
std::string file_key(const std::string &device, std::uint64_t inode);

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
    // What lies behind the end is left out.
    void write(std::uint64_t offset, std::span<const unsigned char> bytes);
    void clear(std::uint64_t offset, std::uint64_t length);
    std::shared_ptr<SharedObject> copy() const;

  private:
    UniqueFd file_;
    std::string name_;
    std::uint64_t size_ = 0;
};

// What a recording says of the file of a mapping.
struct RecordedFile {
    std::string key;   // "file 08:01 1234"
    std::string image; // or empty
    std::uint64_t size;
};

// The objects of a replay, by what they stand for: "file 8:1 1234", "shm 5", or by their names.
struct SharedMemory {
    std::map<std::string, std::shared_ptr<SharedObject>> by_key, by_name;
    // Files whose private mappings may show what is written later: those are mappings of objects, too.
    std::set<std::string> written;
    std::string receiver;                               // key of what the rows of an event WRITTEN are about
    std::function<bool(const std::string &)> is_mapped; // whether a process has the object of this name mapped

    // Finds or makes it, of at least this size. An empty key is always a new one.
    std::shared_ptr<SharedObject> get(const std::string &key, std::uint64_t size);
    // The object of a file that is being mapped. `is_new`: it is a copy of the image, or empty where there is none:
    // nobody has the file mapped, or its key is empty.
    std::shared_ptr<SharedObject> of_file(const RecordedFile &file, int images, bool &is_new);
    // A copy in which nothing is shared with this one; `renamed` gets the new object for each old name.
    SharedMemory copy(std::map<std::string, std::shared_ptr<SharedObject>> &renamed) const;
};

} // namespace retrograde
