// What a replay needs besides the calls (docs/reference/recording-format.md): the state in which each program starts,
// and what is mapped later. Both back ends use it, on threads that are stopped.
#pragma once

#include "capture/event_rows.h"
#include "capture/event_writer.h"
#include "capture/images.h"
#include "capture/options.h"
#include "capture/patched_instructions.h"
#include "capture/scheduling_belief.h"
#include "capture/unfaithful.h"
#include "capture/wire_record.h"
#include "capture/written_files.h"

#include <optional>
#include <sys/types.h>
#include <vector>

namespace retrograde {

// Whether a capture records the start of a command with all that a replay needs.
bool is_replayable(const Options &options);

class ReplayState {
  public:
    ReplayState(EventWriter &writer, const std::string &recording_folder);

    // A thread has stopped in its exec: takes the vDSO's clocks from the program, then writes its START row, with the
    // time `now`. Nothing is written where the thread is killed meanwhile.
    void write_start(pid_t tid, std::uint64_t now);

    // Whether a MAPPED row stands before the row of this call, which has returned.
    static bool has_mapped(const rg_event &call);

    // Writes that row.
    void write_mapped(const rg_event &call);

    // Writes what stands before the row of a call, whose thread is stopped behind it: MAPPED, WRITTEN.
    void write_before(const rg_event &call);

    // A thread has stopped before the delivery of a signal. Where that is the trap of an instruction whose result is to
    // be recorded, carries it out and returns its TRAP row: the signal is to be dropped then.
    std::optional<WireRecord> carry_out_trapped(pid_t tid, int signal) const;
    // Whether it is the trap of one that would not trap any more: the signal is to be dropped, and that is all.
    bool is_stale_trap(pid_t tid, int signal) const;
    // Gives a stopped thread of a process back what was taken from it, as it is to go on without us.
    void let_go(pid_t pid, pid_t tid);

    // Whether a file of an overlay file system has been mapped shared.
    bool has_shared_overlay() const { return has_shared_overlay_; }
    // The files whose content comes from more than their images (END, "written").
    std::vector<std::string> written() const { return files_.changing(); }

    // Takes note of what a replay may not repeat, and of threads. To be called for the event of each call, FORK, EXEC
    // and EXIT, before its row is written.
    void look_at(const rg_event &event) {
        unfaithful_.look_at(event, writer_.events());
        belief_.look_at(event);
    }
    // What programs believe of their scheduling. A call's event goes through correct() before its row is written.
    SchedulingBelief &belief() { return belief_; }
    const UnfaithfulList &unfaithful() const { return unfaithful_; }

  private:
    void add_map(EventRows &rows, pid_t tid, const std::vector<Mapping> &map, std::vector<std::string> &images);
    void patch(EventRows &rows, pid_t tid, const Mapping &mapping);
    void note_file(pid_t tid, const Mapping &mapping);
    void note_sharing(pid_t tid, const Mapping &mapping);
    void add_content(EventRows &rows, pid_t tid, const Mapping &mapping) const;
    void add_data_of_file(EventRows &rows, pid_t tid, const Mapping &mapping, std::uint64_t length) const;
    void add_pages(EventRows &rows, pid_t tid, const Mapping &mapping) const;

    EventWriter &writer_;
    Images images_;
    WrittenFiles files_;
    PatchedInstructions patched_;
    SchedulingBelief belief_;
    UnfaithfulList unfaithful_;
    bool has_shared_overlay_ = false;
    std::vector<unsigned char> buffer_;
};

} // namespace retrograde
