// The memory of a replayed process: made from a START event, and changed by the calls that change its shape.
#pragma once

#include "recording/event_block.h"
#include "replay/maps.h"
#include "replay/recorded_cpu.h"
#include "replay/shared_memory.h"
#include "replay/tracee.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace retrograde {

class AddressSpace {
  public:
    // Maps what the event START tells into a process that holds the stub alone.
    void start(Tracee &tracee, const Event &start, SharedMemory &shared, const RecordedImages &images);

    // A MAPPED event: what the next call of its thread maps.
    void mapped(const Event &event);

    // Whether a call is carried out here; others are taken from the recording.
    static bool performs(int nr);
    // Carries out a call that has succeeded when it was recorded, with the same result. Throws Failure.
    void perform(Tracee &tracee, const Event &call, SharedMemory &shared, const RecordedImages &images);

    // Bytes that follow a MAPPED event in rows of their own.
    void more_mapped(const Event &event);

    // Takes the auxiliary vector from the stack of a program that starts.
    void read_auxv(Tracee &tracee);

    // The memory map as text, a mapping a line as in the recording: what the kernel says now, with the recorded paths.
    std::string text(pid_t process) const;
    // The auxiliary vector as the program found it, and the path of the program.
    const std::vector<unsigned char> &auxv() const { return auxv_; }
    const std::string &program() const { return program_; }

    // Some thread's stack pointer was here, and is elsewhere now.
    void note_stack(std::uint64_t sp);
    // To within a page.
    const std::set<std::uint64_t> &former_stacks() const { return stacks_; }

    // In a copy of the process (fork): maps copies of what is shared in place of the originals. What the program has
    // written to private mappings of them stays.
    static void unshare(Tracee &copy, const std::map<std::string, std::shared_ptr<SharedObject>> &renamed);

  private:
    struct Bytes {
        std::uint64_t address;
        std::vector<unsigned char> data;
    };
    // What a mapping shows: an object, which has been there already or is to be filled, or memory of its own.
    struct Mapped {
        std::shared_ptr<SharedObject> object;
        bool is_new;
    };
    Mapped map(Tracee &tracee, const Mapping &mapping, SharedMemory &shared, const RecordedImages &images,
               const std::string &key);
    void write_pending(Tracee &tracee, const std::vector<Mapped> &mapped);
    void map_mmap(Tracee &tracee, const Event &call, SharedMemory &shared, const RecordedImages &images);
    void map_shmat(Tracee &tracee, const Event &call, SharedMemory &shared);
    static std::vector<Bytes> own_pages(pid_t tid, std::uint64_t start, std::uint64_t end);
    void move_break(Tracee &tracee, std::uint64_t to);
    void remember(const std::vector<Mapping> &mappings);

    std::uint64_t break_ = 0;
    std::set<std::uint64_t> stacks_;
    std::vector<Mapping> pending_;   // of a MAPPED event
    std::uint64_t pending_size_ = 0; // of its file
    std::vector<Bytes> pending_bytes_;
    std::map<std::uint64_t, Mapping> known_;          // mappings of images by start: to name what is mapped now
    std::map<std::uint64_t, std::uint64_t> attached_; // SysV shared memory: length by address
    std::vector<unsigned char> auxv_;
    std::string program_;
};

} // namespace retrograde
